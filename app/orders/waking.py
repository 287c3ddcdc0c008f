"""Makes an order due, because there is news of it."""

from app.db.database import Transaction
from app.db.models import Order


def make_due(tx: Transaction, order: Order) -> None:
    """Have an order, whose row is locked, looked at as soon as CloudPress's `Retry-After` allows.

    `wakes` tells a pass that holds the order now that there is news since it was claimed.
    """
    order.wakes += 1
    order.due_at = max(tx.now, order.not_before or tx.now)
    order.scheduled_at = tx.now
    tx.announce(due=Order)
