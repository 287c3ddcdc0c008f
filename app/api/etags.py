"""ETags of orders: a digest of what is shown, so that it changes exactly when that does."""

import hashlib
import re

from app.orders.representation import OrderBody

# Weak tags compare equal to strong ones here. (RFC 9110, If-None-Match uses the weak comparison)
TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(body: OrderBody) -> str:
    """Return the ETag of an order as it is shown."""
    return f'"{hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether an `If-None-Match` names the tag, or any (`*`)."""
    return if_none_match.strip() == "*" or etag in TAG.findall(if_none_match)
