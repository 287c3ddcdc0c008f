"""What CloudPress has named as an order since an operator said that it is not: his word was about less."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Event, Order, Placement
from app.events.types import EventType
from app.reconciler.callback_hints import Named
from app.reconciler.evidence import Sent
from app.reconciler.passes import Pass

NamedAt = tuple[str, datetime]
"""A CloudPress order, and when CloudPress itself named it."""
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

    A look-up that finds it again says nothing new, nor does a repeat of a callback.
    """
    named = [*answers(sent.placements), *_calls(this, called_back)]
    if not _settled_among(this.order, named):
        return frozenset()  # no transaction is begun for that
    async with this.dependencies.db.read() as session:
        return await named_since(session, this.order, named)


async def named_since(session: AsyncSession, order: Order, named: Iterable[NamedAt]) -> frozenset[str]:
    """Return which of the CloudPress orders that were settled CloudPress has named since.

    What was cancelled or has failed at CloudPress, or is another order's here, stays settled.
    """
    again = _settled_among(order, named)
    if not again:
        return frozenset()
    settled = set(order.settled_duplicates or ())
    settled_at: dict[str, datetime] = {}
    over: set[str] = set()
    for row in await session.execute(_SETTLED, {"order_id": order.id}):
        # A word about the order is about all that was known of it then.
        ids = settled if row.type == EventType.RESOLUTION_REQUESTED else settled & _about(row.data)
        settled_at |= dict.fromkeys(ids, row.at)
        over |= ids if row.type == EventType.DUPLICATE_ENDED else set()
    return frozenset(it for it, at in again if it not in over and it in settled_at and at > settled_at[it])


def answers(placements: Iterable[Placement]) -> Iterator[NamedAt]:
    """Yield what CloudPress answered requests with, and when."""
    for attempt in placements:
        if attempt.cloudpress_order_id is not None and attempt.answered_at is not None:
            yield attempt.cloudpress_order_id, attempt.answered_at


def _settled_among(order: Order, named: Iterable[NamedAt]) -> list[NamedAt]:
    settled = set(order.settled_duplicates or ())
    return [it for it in named if it[0] in settled]


def _about(told: dict[str, Any]) -> set[str]:
    """Return what an event settles: what it names, or what was taken from the order and given to another."""
    if "instead_of" in told:
        return {told["instead_of"]} if told.get("cloudpress_order_id") is None else set()
    return {*(told.get("cloudpress_order_ids") or [told.get("cloudpress_order_id")])}


def _calls(this: Pass, called_back: Named) -> Iterator[NamedAt]:
    """Yield what the order's own callbacks named, and when they did so first."""
    first: dict[int | None, datetime] = {}
    for callback in this.known.callbacks:
        at = callback.first_received_at
        first[callback.task_id] = min(first.get(callback.task_id, at), at)
    for task_id, order_ids in called_back.of_tasks.items():
        if task_id in first:
            yield from ((it, first[task_id]) for it in order_ids if it in called_back.order_ids)
