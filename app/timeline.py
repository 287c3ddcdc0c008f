"""The timeline: what happened to an order, written in the transaction in which it happened."""

from uuid import UUID

from app.db import Transaction
from app.models import Event


def record(tx: Transaction, order_id: UUID, kind: str, **data: object) -> None:
    """Add an event to an order's timeline. `data` must hold no secret."""
    tx.session.add(Event(order_id=order_id, type=kind, at=tx.now, data=data))
