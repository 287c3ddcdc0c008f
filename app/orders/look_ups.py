"""What operators do to the look-up of an order. The database only."""

from collections.abc import Iterable

from app.db.models import LookUp


def begin_anew(look_up: LookUp) -> None:
    """Have the list read anew, as if it had not been: what it has shown says nothing of what was said now."""
    look_up.begun_at = look_up.last_begun_at = None
    look_up.completed = 0


def without(dropped: Iterable[str], order_ids: Iterable[str]) -> list[str]:
    """Return CloudPress orders without some of them, each once, in their order."""
    gone = {*dropped}
    return [order_id for order_id in dict.fromkeys(order_ids) if order_id not in gone]
