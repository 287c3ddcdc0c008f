"""What an operator has said of an order that is sought, as the order keeps it until it is done."""

from datetime import timedelta

from app.db.lasting import Moment, Span, lasted, looked_past, met_again, moment
from app.db.models import Order
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.states import AttentionCode, OrderStatus

PLACE_AGAIN = "place_again"
"""What an operator decides who has an order placed again."""


def is_given_up(order: Order) -> bool:
    """Tell whether an operator has decided that the order fails."""
    return (order.resolution or {}).get("action") == "fail"


def is_given_up_for_its_token(order: Order) -> bool:
    """Tell whether he did so because no token of its account was left, and not for what a look may refute."""
    asked_about = (order.resolution or {}).get("about", AttentionCode.ACCOUNT_UNKNOWN)
    return is_given_up(order) and asked_about == AttentionCode.ACCOUNT_UNKNOWN


def waited(order: Order, at: Moment) -> timedelta:
    """Return for how long an operator's word to fail an order has waited for a look that tells what to do."""
    return lasted((order.resolution or {}).get("waits"), at, Span.HOURS)


def have_word_wait(tx: Transaction, order: Order, *, counts: bool = True) -> None:
    """Have such a word wait for one more look, after one that told nothing, or that counts as none."""
    word = order.resolution or {}
    again = met_again if counts else looked_past
    order.resolution = {**word, "waits": again(word.get("waits"), moment(tx))}


def end_undone(tx: Transaction, order: Order) -> None:
    """End an operator's word about an order, which is locked, that was not done, and tell so."""
    named = (order.resolution or {}).get("cloudpress_order_id")
    about = {"cloudpress_order_id": named} if named is not None else {}
    order.resolution = None
    record(tx, order.id, EventType.RESOLUTION_IMPOSSIBLE, **about)


def was_done(order: Order, before: OrderStatus) -> bool:
    """Tell whether an operator's word was done by a move of an order, which had another status before."""
    word = order.resolution or {}
    named: str | None = word.get("cloudpress_order_id")
    match word.get("action"):
        case "adopt":
            return named is not None and (order.cloudpress_order_id or "").lower() == named.lower()
        case "fail":
            return order.status == OrderStatus.FAILED
    return not word or before == OrderStatus.PLACING


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
