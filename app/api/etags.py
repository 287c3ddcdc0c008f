"""ETags of orders: a digest of what is shown, so that it changes exactly when that does.

What an order waits for is left out: it changes with time alone. So the tags are weak ones. (RFC 9110, 8.8.1)
"""

import hashlib

from app.orders.representation import OrderBody


def etag_of(body: OrderBody) -> str:
    """Return the ETag of an order as it is shown."""
    shown = body.model_dump_json(exclude={"waiting_for"})
    return f'W/"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether an `If-None-Match` names the tag, or any (`*`).

    The comparison is the weak one (RFC 9110, 13.1.2), and weaker: a proxy that compresses makes another tag
    of ours (`W/"…"`, `"…-gzip"`, `"…;br"`), and its client sends that one. All of them hold the digest, which
    occurs nowhere by chance.
    """
    return if_none_match.strip() == "*" or etag.removeprefix("W/").strip('"') in if_none_match
