"""What CloudPress has named as an order since an operator said that it is not: his word was about less."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from app.db.models import Event
from app.events.types import EventType
from app.reconciler.callback_hints import Named
from app.reconciler.evidence import Sent
from app.reconciler.passes import Pass

_SETTLED_BY = {
    EventType.DUPLICATES_DISMISSED.value,
    EventType.DUPLICATE_ENDED.value,
    EventType.IDENTIFIED.value,
    EventType.RESOLUTION_REQUESTED.value,
}
_SETTLED = (
    select(Event.type, Event.at, Event.data)
    .where(Event.order_id == bindparam("order_id"), Event.type.in_(sorted(_SETTLED_BY)))
    .order_by(Event.id)
)


async def named_anew(this: Pass, sent: Sent, called_back: Named) -> frozenset[str]:
    """Return which of the CloudPress orders that were settled an answer or the own callback has named since.

    A look-up that finds it again says nothing new, nor does a repeat of a callback. What was cancelled or has
    failed at CloudPress, or is another order's here, stays so.
    """
    settled = set(this.order.settled_duplicates or ())
    if not settled:
        return frozenset()
    named = [it for it in _named(this, sent, called_back) if it[0] in settled]
    if not named:
        return frozenset()
    settled_at: dict[str, datetime] = {}
    over: set[str] = set()
    async with this.dependencies.db.read() as session:
        for row in await session.execute(_SETTLED, {"order_id": this.order.id}):
            # A word about the order is about all that was known of it then.
            ids = settled if row.type == EventType.RESOLUTION_REQUESTED else settled & _about(row.data)
            settled_at |= dict.fromkeys(ids, row.at)
            over |= ids if row.type == EventType.DUPLICATE_ENDED else set()
    return frozenset(it for it, at in named if it not in over and it in settled_at and at > settled_at[it])


def _about(told: dict[str, Any]) -> set[str]:
    """Return what an event settles: what it names, or what was taken from the order and given to another."""
    if "instead_of" in told:
        return {told["instead_of"]} if told.get("cloudpress_order_id") is None else set()
    return {*(told.get("cloudpress_order_ids") or [told.get("cloudpress_order_id")])}


def _named(this: Pass, sent: Sent, called_back: Named) -> Iterator[tuple[str, datetime]]:
    """Yield what CloudPress itself named, and when it did so first."""
    for attempt in sent.placements:
        if attempt.cloudpress_order_id is not None and attempt.answered_at is not None:
            yield attempt.cloudpress_order_id, attempt.answered_at
    first: dict[int | None, datetime] = {}
    for callback in this.known.callbacks:
        at = callback.first_received_at
        first[callback.task_id] = min(first.get(callback.task_id, at), at)
    for task_id, order_ids in called_back.of_tasks.items():
        if task_id in first:
            yield from ((it, first[task_id]) for it in order_ids if it in called_back.order_ids)
