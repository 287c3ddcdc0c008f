"""Which orders and timelines are old, by the database, and what is deleted of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, select, tuple_, update

from app.db.models import Delivery, Event, Order
from app.db.transactions import Transaction
from app.db.unindexed import none_of
from app.orders.erasing import is_finished

ROWS_STAY = timedelta(days=30)
"""For how long the timeline of a tombstone stays, and each event at the least."""
# Where an order is among those that are pruned, the oldest first.
Place: TypeAlias = tuple[datetime, UUID]


def clearable(now: datetime, days: timedelta) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of orders that are to become tombstones."""
    return Order.erased_at.is_(None), Order.finalized_at < now - days, *is_finished(now)


def first_overdue(now: datetime, days: float) -> Select[datetime | None]:
    """Return the question since when the longest overdue order should be a tombstone; nothing if none is."""
    span = timedelta(days=days)
    # What is asked for at every scrape looks at no delivery of another order.
    overdue = (*clearable(now, span), none_of(Order, *_pending_deliveries()))
    oldest = select(Order.finalized_at).where(*overdue).order_by(Order.finalized_at, Order.id)
    return oldest.limit(1)


def strippable(now: datetime, days: timedelta) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of tombstones that are to lose their timeline."""
    old = Order.finalized_at < now - days - ROWS_STAY
    # What was done about an order long after it was final is not old: that it was erased, and who asked. And
    # what has just happened is still to be read by those who ask for events now and then.
    is_still = none_of(Order, Event.order_id == Order.id, Event.at > now - ROWS_STAY)
    return Order.erased_at.is_not(None), Order.stripped_at.is_(None), old, is_still, *is_finished(now)


async def lock(
    tx: Transaction, conditions: Sequence[ColumnElement[bool]], after: Place | None, limit: int
) -> list[Place]:
    """Lock the oldest orders after one that meet the conditions; nobody is waited for."""
    found = select(Order.finalized_at, Order.id).where(*conditions)
    if after is not None:
        found = found.where(tuple_(Order.finalized_at, Order.id) > tuple_(*after))
    found = found.order_by(Order.finalized_at, Order.id).limit(limit)
    rows = await tx.session.execute(found.with_for_update(skip_locked=True, of=Order))
    return [(finalized_at, order_id) for finalized_at, order_id in rows if finalized_at is not None]


def _pending_deliveries() -> tuple[ColumnElement[bool], ...]:
    return Event.order_id == Order.id, Delivery.event_id == Event.id, Delivery.status == "pending"


def has_pending_deliveries() -> ColumnElement[bool]:
    """Return the condition that an application is yet to be told of an order."""
    return exists().where(*_pending_deliveries())


async def without_pending_deliveries(tx: Transaction, order_ids: Sequence[UUID]) -> list[UUID]:
    """Leave out the orders of which applications are yet to be told. Their deliveries stay locked."""
    deliveries = select(Event.order_id, Delivery.status).join(Event, Event.id == Delivery.event_id)
    locked = deliveries.where(Event.order_id.in_(order_ids)).with_for_update(of=Delivery)
    rows = await tx.session.execute(locked.order_by(Delivery.id))
    pending = {order_id for order_id, status in rows if status == "pending"}
    return [order_id for order_id in order_ids if order_id not in pending]


async def strip(tx: Transaction, order_ids: Sequence[UUID]) -> int:
    """Delete the timeline of tombstones; return the highest number that is gone.

    The newest event of all stays: whoever asks for the highest number that was given finds it there.
    """
    session = tx.session
    newest = select(func.max(Event.id)).scalar_subquery()
    of_orders = Event.order_id.in_(order_ids)
    deliveries = delete(Delivery).where(Delivery.event_id.in_(select(Event.id).where(of_orders)))
    await session.execute(deliveries.execution_options(synchronize_session=False))
    events = delete(Event).where(of_orders, Event.id < newest).returning(Event.id)
    gone = (await session.execute(events.execution_options(synchronize_session=False))).scalars().all()
    stripped = update(Order).where(Order.id.in_(order_ids)).values(stripped_at=tx.now)
    await session.execute(stripped.execution_options(synchronize_session=False))
    return max(gone, default=0)
