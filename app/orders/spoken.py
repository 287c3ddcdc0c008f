"""What an operator has said of an order that is sought, as the order keeps it until it is done."""

from datetime import datetime

from app.db.models import Order
from app.states import AttentionCode

PLACE_AGAIN = "place_again"
"""What an operator decides who has an order placed again."""


def is_given_up(order: Order) -> bool:
    """Tell whether an operator has decided that the order fails."""
    return (order.resolution or {}).get("action") == "fail"


def is_given_up_for_its_token(order: Order) -> bool:
    """Tell whether he did so because no token of its account was left, and not for what a look may refute."""
    asked_about = (order.resolution or {}).get("about", AttentionCode.ACCOUNT_UNKNOWN)
    return is_given_up(order) and asked_about == AttentionCode.ACCOUNT_UNKNOWN


def waits_since(order: Order) -> datetime | None:
    """Return since when an operator's word to fail an order waits for a look that tells what to do."""
    since = (order.resolution or {}).get("waits_since")
    return datetime.fromisoformat(since) if since is not None else None


def have_word_wait(order: Order, now: datetime) -> None:
    """Count from now on for how long such a word waits, unless it does already."""
    order.resolution = {"waits_since": now.isoformat(), **(order.resolution or {})}


def is_to_end_otherwise(order: Order) -> bool:
    """Tell whether an operator has said, perhaps just now, which one it is or that it fails."""
    return (order.resolution or {}).get("action") in {"adopt", "fail"}


def known_to_operator(order: Order) -> list[str] | None:
    """Return the CloudPress orders that an operator knew of when he had an order placed again, if he has."""
    resolution = order.resolution or {}
    known: list[str] = resolution.get("known", [])
    return known if resolution.get("action") == PLACE_AGAIN else None


def dismissed_meanwhile(before: Order, now: Order) -> set[str]:
    """Return the CloudPress orders that were settled since an order was read before."""
    return {*(now.settled_duplicates or ())} - {*(before.settled_duplicates or ())}


def ruled_out(order: Order) -> set[str]:
    """Return the CloudPress orders of which an operator has said, perhaps just now, that none is it."""
    return {*(order.settled_duplicates or ()), *(known_to_operator(order) or ())}
