"""Makes orders due, because there is news of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, select, update

from app.db.models import Order
from app.db.several import among
from app.db.transactions import Transaction
from app.db.whole import WholeTransaction
from app.states import OrderStatus

MOST_AT_ONCE = 1000

_NOW = bindparam("now", type_=Order.due_at.type)
MAKE_DUE = (
    update(Order)
    .where(among(Order.id, "ids"))
    .values(
        wakes=Order.wakes + bindparam("news"),
        # What was never heard of the order before has it looked at often again.
        quiet=case((among(Order.id, "fresh"), 0), else_=Order.quiet),
        due_at=case((Order.not_before > _NOW, Order.not_before), else_=_NOW),
        scheduled_at=case((Order.not_before > _NOW, Order.scheduled_at), else_=_NOW),
    )
)


def make_due(tx: Transaction, order: Order) -> None:
    """Have an order, whose row is locked, looked at as soon as CloudPress's `Retry-After` allows.

    `wakes` tells a pass that holds the order now that there is news since it was claimed.
    """
    order.wakes += 1
    if order.not_before is None or order.not_before <= tx.now:
        order.due_at = order.scheduled_at = tx.now
    else:
        # It stays as it was scheduled: a clock that was ahead by then may have been put right since.
        order.due_at = order.not_before
    tx.announce(due=Order, account=order.account_id)


def has_unseen_news(order: Order) -> bool:
    """Tell whether there may be news of an order that no pass has seen to.

    When it is due says nothing of that: a pass may have been put off, and clocks step. Nor does it that a
    pass looks at it now.
    """
    return order.wakes != order.seen_wakes


async def wake_orders(tx: Transaction, account_id: str, status: OrderStatus) -> None:
    """Have the orders of an account that have a status looked at, the oldest first: a thousand at most."""
    waiting = select(Order).where(Order.account_id == account_id, Order.status == status)
    for order in await tx.session.scalars(waiting.order_by(Order.id).limit(MOST_AT_ONCE).with_for_update()):
        make_due(tx, order)


def making_due(
    tx: WholeTransaction, news: Mapping[UUID, int], *, fresh: Collection[UUID], accounts: Collection[str]
) -> list[dict[str, Any]]:
    """Return what `MAKE_DUE` is given to do the same for many orders, whose rows are locked.

    `news` is how much there is of each, and `accounts` whose they are. Of `fresh` something is heard that was
    not before. Orders of which there is as much are made due together.
    """
    by_number: defaultdict[int, list[UUID]] = defaultdict(list)
    for order_id, number in news.items():
        by_number[number].append(order_id)
    for account_id in accounts:
        tx.announce(due=Order, account=account_id)
    return [
        {"ids": ids, "news": number, "now": tx.now, "fresh": [each for each in ids if each in fresh]}
        for number, ids in by_number.items()
    ]
