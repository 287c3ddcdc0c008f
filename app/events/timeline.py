"""The timeline: what happened to an order, written in the transaction in which it happened."""

from typing import Any
from uuid import UUID

from app.db.database import Transaction
from app.db.models import Event
from app.events.types import EventType


def record(
    tx: Transaction,
    order_id: UUID | None,
    kind: EventType,
    *,
    shown: dict[str, Any] | None = None,
    **data: object,
) -> Event:
    """Add an event to an order's timeline, or to the service's own. `data` must hold no secret.

    `shown` is the order as the API shows it, for events that applications are told of.
    """
    event = Event(order_id=order_id, type=kind, at=tx.now, data=data, shown=shown)
    tx.events.append(event)
    return event
