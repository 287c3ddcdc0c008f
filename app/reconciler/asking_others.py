"""Has others ask whose it is what CloudPress answered this order with, and they ended as, or wait to pay."""

from collections.abc import Collection

from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Order, Task
from app.db.several import among, one_of
from app.orders.claims import claimed_by_others
from app.orders.names_seen import ANSWER
from app.orders.waking import make_due
from app.reconciler.evidence import LOOK_UP
from app.reconciler.passes import Pass
from app.states import FINAL

_ENDED_OR_TO_BE_PAID = select(Order).where(
    Order.account_id == bindparam("account_id"),
    among(Order.cloudpress_order_id, "asked"),
    Order.id != bindparam("order_id"),
    one_of(Order.cloudpress_order_id_source, (ANSWER, LOOK_UP)),
    or_(one_of(Order.status, sorted(FINAL)), Order.payment_url.is_not(None)),
    # Of a tombstone nobody knows what called back for it, and nobody is left to be asked about.
    Order.erased_at.is_(None),
)
_UNREAD = select(Task.id).where(Task.order_id == bindparam("order_id"), Task.is_own.is_(None)).limit(1)


async def have_others_asked(this: Pass, answered: Collection[str]) -> None:
    """Have those orders looked at that have ended as such a CloudPress order, or wait for its payment.

    Not those that ask already. An order that goes on finds out by itself, with its next look. Where a payment
    is awaited that may be an hour away, and somebody may pay for another's until then. Where many orders are
    locked, they are by their ids, so this is a transaction of its own.
    """
    if not answered:
        return
    others = {"account_id": this.order.account_id, "asked": sorted(answered), "order_id": this.order.id}
    async with this.dependencies.db.read() as session:
        found = [
            order for order in await session.scalars(_ENDED_OR_TO_BE_PAID, others) if not _is_asked(order)
        ]
        to_ask = [order.id for order in found if await _may_be_anothers(session, order)]
    if not to_ask:
        return
    async with this.dependencies.db.write() as tx:
        locked = select(Order).where(Order.id.in_(to_ask)).order_by(Order.id).with_for_update()
        for order in await tx.session.scalars(locked):
            make_due(tx, order)


async def _may_be_anothers(session: AsyncSession, order: Order) -> bool:
    """Tell whether an order has what it has by its name, or by an answer that may be wrong.

    CloudPress named it for both orders, or in the answer a task that was never read, and may name another
    one. While an order goes on, its own looks find out about the task, and that it has something by its name
    is not enough to have it looked at again and again.
    """
    is_final = order.status in FINAL
    is_by_name = is_final and order.cloudpress_order_id_source == LOOK_UP
    if is_by_name or await claimed_by_others(session, order):
        return True
    if not is_final or order.suspected_duplicates or order.settled_duplicates:
        return False  # A person was asked about that; and two orders are not to wake each other for ever.
    return (await session.scalars(_UNREAD, {"order_id": order.id})).first() is not None


def _is_asked(order: Order) -> bool:
    """Tell whether a person is asked about what the order has, or has said that it is this order's."""
    told = {*(order.suspected_duplicates or ()), *(order.settled_duplicates or ())}
    return order.cloudpress_order_id in told
