"""What an operator has said of an order that is sought, as the order keeps it until it is done."""

from app.db.models import Order

PLACE_AGAIN = "place_again"
"""What an operator decides who has an order placed again."""


def is_given_up(order: Order) -> bool:
    """Tell whether an operator has decided that the order fails."""
    return (order.resolution or {}).get("action") == "fail"


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
