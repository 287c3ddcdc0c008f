"""Requests about orders: to cancel, to be looked at now, to be resolved. The database only.

A request is stored and makes its order due; the reconciler fulfils it, or says why it cannot be.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database, Transaction
from app.db.errors import repeated
from app.db.models import Callback, LookUp, Order, Placement
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.attempts import can_have_landed
from app.orders.changing import changing
from app.orders.waking import make_due
from app.states import FINAL, AttentionCode, OrderStatus


class NotResolvableError(Exception):
    """The order cannot be resolved so; the text says why."""


@repeated
async def request_resolution(
    db: Database, order_id: UUID, *, action: str, cloudpress_order_id: str | None, by: Actor
) -> Order | None:
    """Store what an operator decides about an unconfirmed order; the reconciler does it.

    `action` is `adopt` (with `cloudpress_order_id`), `place_again` or `fail`. The latter but one can be asked
    for an order too that waits for a person before it is sent. None if there is no such order.

    Raises:
        NotResolvableError: the order is not to be resolved so, or another order has that CloudPress order.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None:
            return None
        waits = order.status == OrderStatus.PENDING and order.attention_code == AttentionCode.NOT_SENT
        if order.status != OrderStatus.UNCONFIRMED and not (waits and action == "place_again"):
            raise NotResolvableError(
                f"Only an unconfirmed order can be resolved; this one is {order.status}."
            )
        if action == "place_again" and (order.resolution or {}).get("action") == action:
            # Two operators, or one who clicked twice. What came in between the two neither has seen, so the
            # first word stands with what was known then.
            return order
        resolution: dict[str, Any] = {"action": action, **by.told}
        if cloudpress_order_id is not None:
            holder = await _holder(tx.session, order.account_id, cloudpress_order_id)
            if holder is not None:
                raise NotResolvableError(f"Order {holder} has that CloudPress order already.")
            resolution["cloudpress_order_id"] = cloudpress_order_id
        record(tx, order_id, EventType.RESOLUTION_REQUESTED, **resolution)
        if action == "place_again":
            resolution |= {"at": tx.now.isoformat(), "known": await _take_note(tx, order)}
        order.resolution = resolution
        make_due(tx, order)
        return order


async def _take_note(tx: Transaction, order: Order) -> list[str]:
    """Return what an operator can know who has an order placed again; what comes up later speaks against it.

    So CloudPress's list is read anew before it is done, and the callbacks of until now are overruled.
    """
    overruled = update(Callback).where(Callback.order_id == order.id, Callback.overruled_at.is_(None))
    await tx.session.execute(overruled.values(overruled_at=tx.now))
    look_up = await tx.session.get(LookUp, order.id)
    if look_up is None:
        return []
    look_up.begun_at = look_up.last_begun_at = None
    look_up.completed = 0
    return [*look_up.candidates, *look_up.suspects]


@repeated
async def dismiss_duplicates(db: Database, order_id: UUID, *, by: Actor) -> Order | None:
    """Note that an operator found that what may be an order, or its duplicate, at CloudPress is neither.

    It is not suspected again. None if there is no such order.

    Raises:
        NotResolvableError: nothing is suspected.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None:
            return None
        dismissed = await _suspected(tx, order)
        if not dismissed:
            raise NotResolvableError("No CloudPress order is suspected to be this one, or its duplicate.")
        async with changing(tx, order, action="dismiss_duplicates") as change:
            order.settled_duplicates = sorted({*(order.settled_duplicates or ()), *dismissed})
            order.suspected_duplicates = None
            record(tx, order_id, EventType.DUPLICATES_DISMISSED, by=by, cloudpress_order_ids=dismissed)
            if order.attention_code == AttentionCode.SUSPECTED_DUPLICATE:
                change.ask_for(None)
            make_due(tx, order)  # another cause of attention may have been behind this one
        return order


async def _suspected(tx: Transaction, order: Order) -> list[str]:
    """Return what is suspected of an order, and forget what a look-up has found of it so far."""
    suspected = set(order.suspected_duplicates or ())
    look_up = await tx.session.get(LookUp, order.id)
    if look_up is not None and order.status == OrderStatus.UNCONFIRMED:
        suspected |= {*look_up.candidates, *look_up.suspects}
        look_up.candidates, look_up.suspects, look_up.unseen, look_up.begun_at = [], [], [], None
    return sorted(suspected)


async def _holder(session: AsyncSession, account_id: str, cloudpress_order_id: str) -> UUID | None:
    holder = select(Order.id).where(
        Order.account_id == account_id, Order.cloudpress_order_id == cloudpress_order_id
    )
    return (await session.execute(holder)).scalar_one_or_none()


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
