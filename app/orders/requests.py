"""Requests about an order: to cancel it, to look at it now. The database only.

A request is stored and makes its order due; the reconciler fulfils it, or says why it cannot be.
"""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Callback, Order, Placement
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.attempts import can_have_landed
from app.orders.changing import changing
from app.orders.waking import make_due
from app.states import FINAL, OrderStatus


@repeated
async def request_cancel(db: Database, order_id: UUID, *, by: Actor) -> Order | None:
    """Store that an order is to be cancelled; one that CloudPress cannot have heard of is cancelled at once.

    A final order stays as it is. None if there is no such order.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None or order.status in FINAL:
            return order
        async with changing(tx, order, action="cancel") as change:
            if order.cancel_requested_at is None:
                record(tx, order_id, EventType.CANCEL_REQUESTED, by=by)
                order.cancel_requested_at = tx.now
                order.cancel_accepted_at = order.cancel_refusal = None
            if await _is_unheard_of(tx.session, order):
                change.move(OrderStatus.CANCELLED)
                change.ask_for(None)
                order.due_at = order.not_before = None
            else:
                make_due(tx, order)
        return order


async def _is_unheard_of(session: AsyncSession, order: Order) -> bool:
    """Tell whether an order is surely not at CloudPress, and nobody is about to send it."""
    if order.status != OrderStatus.PENDING or order.lease_token is not None:
        return False
    attempts = select(func.count()).where(Placement.order_id == order.id, can_have_landed())
    called_back = select(func.count()).where(Callback.order_id == order.id)
    counts = [(await session.execute(count)).scalar_one() for count in (attempts, called_back)]
    return not any(counts)


@repeated
async def request_refresh(db: Database, order_id: UUID, *, by: Actor) -> Order | None:
    """Have an open order looked at now. A final order stays as it is. None if there is no such order."""
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None or order.status in FINAL:
            return order
        record(tx, order_id, EventType.REFRESH_REQUESTED, by=by)
        make_due(tx, order)
        return order
