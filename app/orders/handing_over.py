"""Takes a CloudPress order from one that got it by its name, or was failed, for the one it was named for.

CloudPress named it in an answer or a callback. Only an operator can say whose it is: either may be another's
as well (decision 0004). The database only.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Callback, LookUp, Order, Placement
from app.db.transactions import Transaction
from app.events.reading import what_happened
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.changing import changing
from app.orders.claims import is_called_back, is_called_back_for
from app.orders.forgetting import forget_what_it_had
from app.orders.look_ups import begin_anew, without
from app.orders.names import resembles
from app.orders.names_seen import LOOK_UP
from app.orders.shown import is_failed_by_operator
from app.orders.spoken import end_undone
from app.orders.waking import make_due
from app.queue import leases
from app.states import FINAL, OrderStatus


def _spelt(cloudpress_order_id: str) -> set[str]:
    """Return how an id may be written: they are UUIDs (provider page), the same in other letters."""
    return {cloudpress_order_id, cloudpress_order_id.lower(), cloudpress_order_id.upper()}


async def _holder_of(session: AsyncSession, account_id: str, cloudpress_order_id: str) -> UUID | None:
    """Return the order of an account that has a CloudPress order, if one has."""
    ids = _spelt(cloudpress_order_id)
    holder = select(Order.id).where(Order.account_id == account_id, Order.cloudpress_order_id.in_(ids))
    return (await session.scalars(holder.limit(1))).one_or_none()


def is_promised(order: Order, cloudpress_order_ids: Collection[str]) -> bool:
    """Tell whether an operator's word to have an order adopt one of these waits for CloudPress to show it."""
    return _names_one_of(order.resolution, cloudpress_order_ids)


def _names_one_of(word: Mapping[str, Any] | None, cloudpress_order_ids: Collection[str]) -> bool:
    named = (word or {}).get("cloudpress_order_id") or ""
    return named.lower() in {each.lower() for each in cloudpress_order_ids}


async def _promised(session: AsyncSession, account_id: str, cloudpress_order_id: str) -> set[UUID]:
    """Return the orders of an account that an operator has said are that CloudPress order."""
    spoken_of = select(Order.id, Order.resolution).where(
        Order.account_id == account_id,
        Order.status == OrderStatus.UNCONFIRMED,
        Order.resolution.is_not(None),
    )
    said = await session.execute(spoken_of)
    return {order_id for order_id, word in said if _names_one_of(word, [cloudpress_order_id])}


async def take_back_promises(tx: Transaction, account_id: str, cloudpress_order_id: str) -> None:
    """End words of before that take orders for a CloudPress order: the later word counts."""
    ids = await _promised(tx.session, account_id, cloudpress_order_id)
    lock = select(Order).where(Order.id.in_(ids)).order_by(Order.id).with_for_update()
    for order in await tx.session.scalars(lock) if ids else ():
        if is_promised(order, [cloudpress_order_id]):
            end_undone(tx, order)
            make_due(tx, order)


async def lock_with_holder(
    tx: Transaction, order_id: UUID, cloudpress_order_id: str | None
) -> tuple[Order | None, Order | None, list[Order]]:
    """Lock an order, and whichever has that CloudPress order or waits for it, by their ids as everybody does.

    Returns it and who has it, None for what there is not, and those that an operator has said are that one.
    One that got it since is the caller's to find.
    """
    ids = {order_id}
    if cloudpress_order_id is not None:
        account_id = await tx.session.scalar(select(Order.account_id).where(Order.id == order_id))
        holder_id = await _holder_of(tx.session, account_id or "", cloudpress_order_id)
        ids |= {holder_id} if holder_id is not None else set()
        ids |= await _promised(tx.session, account_id or "", cloudpress_order_id)
    lock = select(Order).where(Order.id.in_(ids)).order_by(Order.id).with_for_update()
    locked = {order.id: order for order in await tx.session.scalars(lock)}
    order = locked.pop(order_id, None)
    held = (it for it in locked.values() if it.cloudpress_order_id in _spelt(cloudpress_order_id or ""))
    named = [cloudpress_order_id] if cloudpress_order_id is not None else []
    return order, next(held, None), [it for it in locked.values() if is_promised(it, named)]


def is_mixed_up(order: Order) -> bool:
    """Tell whether a person is asked whose it is what an order has by its name, and it goes on."""
    return _has_by_name(order) and order.cloudpress_order_id in (order.suspected_duplicates or ())


def _has_by_name(order: Order) -> bool:
    """Tell whether an order has a CloudPress order by its name alone. What has ended stays as it was told."""
    is_open = order.status in {OrderStatus.AWAITING_PAYMENT, OrderStatus.PROVISIONING}
    return is_open and order.cloudpress_order_id_source == LOOK_UP


async def may_be_handed_over(session: AsyncSession, holder: Order, order: Order) -> bool:
    """Tell whether what a holder has by its name alone, or was failed with, may be what an order was made as.

    It answered the order with it, or the order's own callback led to it. Or the holder has it by its name,
    the two have names of which CloudPress may have made one another, and no callback of its has named it.

    One that has ended keeps what it was told with, unless an operator failed it: that tells of no site. Who
    was called back for what it has keeps that, unless he failed it and it got it by its name.
    """
    if not (_has_by_name(holder) or is_failed_by_operator(holder)):
        return False
    is_by_name = holder.cloudpress_order_id_source == LOOK_UP
    is_kept_in_vain = is_by_name and is_failed_by_operator(holder)
    has_called_back = await is_called_back(session, holder)
    if has_called_back and not is_kept_in_vain:
        return False
    answered = select(func.count()).where(
        Placement.order_id == order.id,
        Placement.cloudpress_order_id.in_(_spelt(holder.cloudpress_order_id or "")),
    )
    if (await session.execute(answered)).scalar_one() or await is_called_back_for(session, order, holder):
        return True
    is_alike = resembles(order.site_name, holder.site_name) or resembles(holder.site_name, order.site_name)
    return is_by_name and is_alike and not has_called_back


async def _dismissed_beside(session: AsyncSession, holder: Order, taken: str) -> set[str]:
    """Return what operators found to be no double of what an order has, since it has that.

    They have not said that it is not the order itself: it may be, now that the other one is not.
    """
    beside: set[str] = set()
    types = (EventType.IDENTIFIED, EventType.DUPLICATES_DISMISSED)
    for happened, told in await what_happened(session, holder.id, types):
        if happened == EventType.IDENTIFIED:
            beside.clear()
        else:
            beside |= set(told.get("cloudpress_order_ids") or ())
    return beside - {taken}


async def _look_anew(session: AsyncSession, holder: Order, taken: str, beside: set[str]) -> None:
    """Have a look-up begin anew, in which a person is asked about what was dismissed."""
    look_up = await session.get(LookUp, holder.id)
    if look_up is None:
        return
    begin_anew(look_up)
    look_up.candidates = without([taken], look_up.candidates)
    look_up.suspects = without([taken], look_up.suspects)
    look_up.ruled_out = sorted({*look_up.ruled_out, *beside})


async def take_from(tx: Transaction, holder: Order, *, by: Actor) -> None:
    """Have an order, which is locked, not hold its CloudPress order any more: it is looked for anew.

    What was read of it is forgotten, and it is not taken for that one again, whatever names it. A pass that
    goes on loses its lease, so that it writes nothing of what it has seen.
    """
    taken = holder.cloudpress_order_id or ""
    async with changing(tx, holder, action="hand_over") as change:
        # What else its callbacks name may be its own.
        callbacks = (
            update(Callback)
            .where(Callback.order_id == holder.id)
            .values(checked_at=None, unread_since=null(), untold_since=null())
        )
        await tx.session.execute(callbacks.execution_options(synchronize_session=False))
        record(tx, holder.id, EventType.IDENTIFIED, by=by, cloudpress_order_id=None, instead_of=taken)
        holder.cloudpress_order_id = holder.cloudpress_order_id_source = None
        await forget_what_it_had(tx, holder, by=by)
        if holder.resolution is not None:  # it was about what the order had
            end_undone(tx, holder)
        is_over = holder.status in FINAL  # an operator has failed it: it stays so
        beside = await _dismissed_beside(tx.session, holder, taken)
        holder.settled_duplicates = sorted({*(holder.settled_duplicates or ()), taken} - beside)
        holder.suspected_duplicates = None  # each of those may be its own now
        await _look_anew(tx.session, holder, taken, beside)
        leases.end(holder)
        change.move(OrderStatus(holder.status) if is_over else OrderStatus.UNCONFIRMED)
        change.ask_for(None)
        make_due(tx, holder)
