"""What says that a CloudPress order is another order's than the one that has it, or finds it, by its name.

CloudPress's own word outranks a name: its answer to the other order, or the other one's own callback. Either
speaks against an answer too. Only a person can say whose it is (decision 0004). The database only.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import CLAIMING, Callback, LookUp, Order, Placement, Task
from app.db.several import among, one_of
from app.db.unindexed import none_of, unindexed
from app.orders.mix_ups import kept_as_mixed_up
from app.orders.names_seen import ANSWER, LOOK_UP
from app.states import FINAL, AttentionCode, OrderStatus, tells_of_mix_up

_ANSWERED = (
    select(Placement.cloudpress_order_id, Order.settled_duplicates)
    .join(Order, Order.id == Placement.order_id)
    .where(
        among(Placement.cloudpress_order_id, "asked"),
        Placement.order_id != bindparam("order_id"),
        unindexed(Order.account_id) == bindparam("account_id"),
    )
)
_ANOTHERS = aliased(Placement)
_CLAIMING = aliased(Order)


def _may_claim(other: type[Order]) -> ColumnElement[bool]:
    """Return the condition that what an order's own callback named may be its own.

    It is sought; or it got another one by its name or by an answer, which may be wrong, as a late one that
    contradicts the callback. What it got otherwise says that it has its own.
    """
    is_in_doubt = one_of(other.cloudpress_order_id_source, (ANSWER, LOOK_UP))
    return or_(unindexed(other.status) == OrderStatus.UNCONFIRMED, is_in_doubt)


# Asked once for all orders of a statement, and found by those few for which something is kept, however many
# are sought. What they claim is read where one does.
_CLAIMING_ACCOUNTS = (
    select(_CLAIMING.account_id)
    .join(LookUp, LookUp.order_id == _CLAIMING.id)
    .where(text(CLAIMING), _may_claim(_CLAIMING))
)
MAY_BE_NAMED_FOR_ANOTHER = or_(
    ~none_of(
        Order, _ANOTHERS.cloudpress_order_id == Order.cloudpress_order_id, _ANOTHERS.order_id != Order.id
    ),
    and_(Order.cloudpress_order_id_source == ANSWER, Order.account_id.in_(_CLAIMING_ACCOUNTS)),
)
"""Whether CloudPress answered another order, perhaps of another account, with what an order holds; or the own
callback of one of its account that may not have its own may have named that."""
# A release before, which runs beside this one, reads tasks without saying whose they are. No answer named a
# task of an order that was found by its name, so what was read of one that has ended is its own. What goes on
# is read again.
IS_OWN_TASK = or_(
    Task.is_own.is_(True),
    and_(
        Task.is_own.is_(None),
        Task.answer.is_not(None),
        Order.cloudpress_order_id_source == LOOK_UP,
        one_of(Order.status, sorted(FINAL)),
    ),
)
"""Whether CloudPress showed a task as that of what its order has, where both are asked about."""
# A callback that names a task of what its own order has speaks of that, though CloudPress may give a number
# a second time. That an answer named the task says nothing: it may be another order's, as the answer may be.
SPEAKS_OF_ITS_OWN = (
    exists()
    .where(Task.order_id == Callback.order_id, Task.id == Callback.task_id, IS_OWN_TASK)
    .correlate(Callback, Order)
)
"""Whether a callback, which is asked about beside its order, names such a task."""
# What others were called back for, by the tasks that CloudPress shows with it, whatever became of them.
_CALLED_FOR = (
    select(Order.settled_duplicates)
    .join(Callback, Callback.order_id == Order.id)
    .where(
        among(Callback.task_id, "task_ids"),
        Callback.order_id != bindparam("order_id"),
        Callback.overruled_at.is_(None),
        ~SPEAKS_OF_ITS_OWN,
        unindexed(Order.account_id) == bindparam("account_id"),
    )
)
_TASKS = select(Task.id).where(Task.order_id == bindparam("order_id"))
# A callback whose task was read, and is that of what the order has, says that it has its own.
_IS_CALLED_BACK = exists().where(
    Callback.order_id == Order.id,
    Task.order_id == Order.id,
    Task.id == Callback.task_id,
    IS_OWN_TASK,
)
# What others' own callbacks named, as far as it may be theirs.
_CLAIMED = (
    select(LookUp.claimed, LookUp.ruled_out, Order.settled_duplicates)
    .join(Order, Order.id == LookUp.order_id)
    .where(
        text(CLAIMING),
        unindexed(Order.account_id) == bindparam("account_id"),
        _may_claim(Order),
        ~_IS_CALLED_BACK,
        Order.id != bindparam("order_id"),
    )
)
_CALLED_BACK = select(Order.id).where(Order.id == bindparam("order_id"), _IS_CALLED_BACK)
_HELD_BY_OTHERS = (
    Order.account_id == bindparam("account_id"),
    among(Order.cloudpress_order_id, "asked"),
    Order.id != bindparam("order_id"),
)
# An answer may be another's, as a name may, until the own callback or an operator has spoken for it.
_HELD_IN_DOUBT = select(Order.cloudpress_order_id, Order.cloudpress_order_id_source).where(
    *_HELD_BY_OTHERS,
    one_of(Order.cloudpress_order_id_source, (ANSWER, LOOK_UP)),
    ~_IS_CALLED_BACK,
)
_HELD_BY_NAME = select(Order.cloudpress_order_id, Order.site_name).where(
    *_HELD_BY_OTHERS, Order.cloudpress_order_id_source == LOOK_UP, ~_IS_CALLED_BACK
)
_IS_TOLD_OF_DOUBLES = unindexed(Order.attention_code) == AttentionCode.SUSPECTED_DUPLICATE
_HELD_AND_ASKED = select(
    Order.cloudpress_order_id,
    Order.cloudpress_order_id_source,
    Order.mixed_up,
    Order.settled_duplicates,
    case((_IS_TOLD_OF_DOUBLES, Order.attention_detail)),
).where(*_HELD_BY_OTHERS, or_(_IS_TOLD_OF_DOUBLES, Order.mixed_up.is_not(None)))


async def answered_to_others(
    session: AsyncSession, order: Order, order_ids: Iterable[str], *, but_dismissed: bool = False
) -> set[str]:
    """Return those CloudPress orders with which requests for other orders of the account were answered.

    A look-up, which goes by names, takes none of those: CloudPress's answer says whose they are. Those are
    left out with `but_dismissed` of which an operator has said that they are not the other's.
    """
    asked = list(order_ids)
    if not asked:
        return set()
    others = {"account_id": order.account_id, "asked": asked, "order_id": order.id}
    return {
        order_id
        for order_id, settled in await session.execute(_ANSWERED, others)
        if order_id is not None and not (but_dismissed and order_id in (settled or ()))
    }


async def is_called_back_for_another(
    session: AsyncSession, order: Order, cloudpress_order_id: str, task_ids: Collection[int]
) -> bool:
    """Tell whether another order's own callback leads to a CloudPress order, which has these tasks."""
    if await _is_claimed(session, order, cloudpress_order_id):
        return True
    if not task_ids:
        return False
    others = {"account_id": order.account_id, "order_id": order.id}
    called_for = await session.scalars(_CALLED_FOR, {**others, "task_ids": sorted(task_ids)})
    return any(cloudpress_order_id not in (settled or ()) for settled in called_for)


async def _is_claimed(session: AsyncSession, order: Order, cloudpress_order_id: str) -> bool:
    """Tell whether another order's own callback named a CloudPress order, and nobody spoke against it."""
    others = {"account_id": order.account_id, "order_id": order.id}
    return any(
        cloudpress_order_id in claimed and cloudpress_order_id not in {*(ruled_out or ()), *(settled or ())}
        for claimed, ruled_out, settled in await session.execute(_CLAIMED, others)
    )


async def is_called_back(session: AsyncSession, order: Order) -> bool:
    """Tell whether an order's own callback has named a task of what it has, and that was read."""
    return (await session.scalars(_CALLED_BACK, {"order_id": order.id})).first() is not None


async def claimed_by_others(
    session: AsyncSession, order: Order, *, may_be_named_for_another: bool = True
) -> set[str]:
    """Return the CloudPress order that is held, if it may be another order's, as CloudPress says there.

    That one was answered with it; or its own callback led to it while this one has it by its name, or while
    that one is sought. Names may be kept otherwise than they were sent, so that one order looks like another
    here, and answers may be mixed up. However this one came to have it, its own callback tells that it is its
    own.

    Nothing is asked about answers, and about who is sought, where it is known that it
    `may_be_named_for_another` not. Nor is anything about an order that was erased: its callbacks are gone, so
    nobody knows what they said.
    """
    own = order.cloudpress_order_id
    if own is None or order.erased_at is not None or own in (order.settled_duplicates or ()):
        return set()
    source, is_named = order.cloudpress_order_id_source, False
    if source == LOOK_UP:
        tasks = set(await session.scalars(_TASKS, {"order_id": order.id}))
        is_named = await is_called_back_for_another(session, order, own, tasks)
    if not is_named and may_be_named_for_another and source in {ANSWER, LOOK_UP}:
        answered = await answered_to_others(session, order, [own])
        is_named = bool(answered) or await _is_claimed(session, order, own)
    return {own} if is_named and not await is_called_back(session, order) else set()


async def is_called_back_for(session: AsyncSession, order: Order, holder: Order) -> bool:
    """Tell whether an order's own callback leads to what another one has."""
    look_up = await session.get(LookUp, order.id)
    if look_up is not None and holder.cloudpress_order_id in look_up.claimed:
        return True
    called_back = select(Callback.id).where(
        Callback.order_id == order.id,
        Callback.overruled_at.is_(None),
        Callback.task_id.in_(select(Task.id).where(Task.order_id == holder.id)),
    )
    return (await session.scalars(called_back.limit(1))).first() is not None


async def held_in_doubt(session: AsyncSession, order: Order, order_ids: Iterable[str]) -> dict[str, str]:
    """Return the CloudPress orders that others of the account have, and that may be this order's, by source.

    Those that they have by their names, or by an answer of which no callback of theirs says that it is right.
    """
    asked = list(order_ids)
    if not asked:
        return {}
    others = {"account_id": order.account_id, "asked": asked, "order_id": order.id}
    found = await session.execute(_HELD_IN_DOUBT, others)
    return {order_id or "": source or "" for order_id, source in found}


async def held_by_name(session: AsyncSession, order: Order, order_ids: Iterable[str]) -> dict[str, str]:
    """Return the CloudPress orders that others of the account have by nothing but their names, with those."""
    asked = list(order_ids)
    if not asked:
        return {}
    others = {"account_id": order.account_id, "asked": asked, "order_id": order.id}
    return {order_id or "": name for order_id, name in await session.execute(_HELD_BY_NAME, others)}


async def held_mixed_up(session: AsyncSession, order: Order, order_ids: Iterable[str]) -> set[str]:
    """Return the CloudPress orders that others of the account have, and of which a person is asked whose.

    He may be told of something else by now: what was found stands until it is settled. What a name alone
    says is asked otherwise. (`held_by_name`)
    """
    asked = list(order_ids)
    if not asked:
        return set()
    others = {"account_id": order.account_id, "asked": asked, "order_id": order.id}
    found = set()
    for held, source, kept, settled, told in await session.execute(_HELD_AND_ASKED, others):
        mixed_up = kept_as_mixed_up(kept, held, settled)
        by_name = {held} if source == LOOK_UP else set()
        if tells_of_mix_up(told or "") if mixed_up is None else mixed_up - by_name:
            found.add(held)
    return found
