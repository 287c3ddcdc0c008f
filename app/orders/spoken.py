"""What an operator has said of an order that is sought, as the order keeps it until it is done."""

from datetime import datetime, timedelta

from app.db.database import Transaction
from app.db.models import Order
from app.states import AttentionCode

PLACE_AGAIN = "place_again"
"""What an operator decides who has an order placed again."""
MOST_BETWEEN_LOOKS_SECONDS = 6 * 3600.0
"""What a word has waited for at most from one look to the next: nobody looks where no worker runs."""


def is_given_up(order: Order) -> bool:
    """Tell whether an operator has decided that the order fails."""
    return (order.resolution or {}).get("action") == "fail"


def is_given_up_for_its_token(order: Order) -> bool:
    """Tell whether he did so because no token of its account was left, and not for what a look may refute."""
    asked_about = (order.resolution or {}).get("about", AttentionCode.ACCOUNT_UNKNOWN)
    return is_given_up(order) and asked_about == AttentionCode.ACCOUNT_UNKNOWN


def waited(order: Order, now: datetime, *, boot: str, uptime: float) -> timedelta:
    """Return for how long an operator's word to fail an order has waited for a look that tells what to do.

    It is counted from look to look, so that neither a clock that steps nor days without a worker are looks
    that failed: by the uptime of the machine that makes both, and where it is another by the wall clock.
    """
    word = order.resolution or {}
    looked, wall = word.get("looked", {}), now.timestamp()
    passed = uptime - looked[boot] if boot in looked else wall - looked.get("wall", wall)
    return timedelta(seconds=word.get("waited", 0.0) + min(max(passed, 0.0), MOST_BETWEEN_LOOKS_SECONDS))


def have_word_wait(tx: Transaction, order: Order) -> None:
    """Have such a word wait for one more look, after one that told nothing."""
    boot, uptime = tx.clock.boot, tx.began_at_uptime
    so_far = waited(order, tx.now, boot=boot, uptime=uptime).total_seconds()
    looked = {boot: uptime, "wall": tx.now.timestamp()}
    order.resolution = {**(order.resolution or {}), "waited": so_far, "looked": looked}


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
