"""Which other orders could be meant by the same CloudPress order."""

from datetime import timedelta

from sqlalchemy import and_, bindparam, exists, or_, select, text, union_all

from app.db.columns import UTCDateTime
from app.db.models import UNSETTLED, Callback, LookUp, Order, Placement
from app.db.several import one_of
from app.db.transactions import Transaction
from app.orders.attempts import can_have_landed
from app.orders.claims import SPEAKS_OF_ITS_OWN
from app.orders.names import Tidying
from app.reconciler.evidence import LOOK_UP, dismissed_by_others, seen_tidying
from app.reconciler.passes import Pass
from app.states import ErrorCode, OrderStatus

SOUGHT = (OrderStatus.PLACING, OrderStatus.UNCONFIRMED)
# A request that has not landed by then will not.
FORGOTTEN_AFTER = timedelta(days=7)

_MAY_HAVE_LANDED = exists().where(Placement.order_id == Order.id, can_have_landed())
_UNREAD = exists().where(
    Callback.order_id == Order.id,
    Callback.checked_at.is_(None),
    Callback.task_id.is_not(None),
    ~SPEAKS_OF_ITS_OWN,
)
_OTHER = Order.account_id == bindparam("account_id"), Order.id != bindparam("order_id")
# Two statements in one, each with an index of its own: no account's orders are all looked at.
_OTHERS = union_all(
    select(Order.site_name).where(*_OTHER, one_of(Order.status, SOUGHT)),
    select(Order.site_name).where(
        *_OTHER,
        text(UNSETTLED),
        or_(
            and_(
                Order.cloudpress_order_id.is_(None),
                or_(Order.error_code.is_(None), Order.error_code != ErrorCode.REJECTED),
                or_(
                    Order.finalized_at.is_(None),
                    Order.finalized_at > bindparam("forgotten_by", type_=UTCDateTime()),
                ),
                _MAY_HAVE_LANDED,
            ),
            Order.late_look_at.is_not(None),
            Order.suspected_duplicates.is_not(None),
            and_(Order.cloudpress_order_id_source == LOOK_UP, _UNREAD),
        ),
    ),
)
_SEEN = (
    select(Order.site_name, LookUp.candidates, LookUp.suspects, LookUp.claimed)
    .outerjoin(LookUp, LookUp.order_id == Order.id)
    .where(*_OTHER)
)
_WITHOUT_ITS_OWN = union_all(
    _SEEN.where(one_of(Order.status, SOUGHT)),
    _SEEN.where(text(UNSETTLED), Order.suspected_duplicates.is_not(None), Order.mixed_up.is_not(None)),
)


async def has_look_alike(tx: Transaction, order: Order, tidying: Tidying) -> bool:
    """Tell whether another order, of a name that CloudPress could tell alike, may be what was found.

    `tidying` is what CloudPress was seen to do to names.

    That is one of which a request may have landed and of which no CloudPress order is known, also where it
    was given up or cancelled since. One that was placed more than once counts even when it is placed or
    final: a request of its own that landed late may be what was found. So does one that was only looked up,
    where a callback of its own has named a task that nobody has asked about yet.
    """
    asked = {
        "account_id": order.account_id,
        "order_id": order.id,
        "forgotten_by": tx.now - FORGOTTEN_AFTER,
    }
    names = await tx.session.scalars(_OTHERS, asked)
    # One that was erased has no name any more, so it may have been any.
    return any(not name or tidying.confuses(name, order.site_name) for name in names)


async def may_be_anothers(this: Pass, tx: Transaction, order: Order) -> tuple[str, ...]:
    """Return those of an order's suspected duplicates that may be another order's: nobody is to cancel those.

    They may be that of another one that is sought, or may hold what is not its own, where that one's look-up
    has seen them, or the names of the two may be told alike. And of what an operator has dismissed elsewhere
    he may have said that it is wanted there.
    """
    suspected = order.suspected_duplicates or ()
    if not suspected:
        return ()  # nothing is asked for that
    asked = {"account_id": order.account_id, "order_id": order.id}
    without = (await tx.session.execute(_WITHOUT_ITS_OWN, asked)).all()
    tidying = await seen_tidying(this, tx.session) if without else this.findings.tidying
    anothers = await dismissed_by_others(tx.session, order)
    for name, *seen in without:
        if _may_be_told_alike(tidying, name, order.site_name):
            return tuple(suspected)
        anothers.update(*(ids or () for ids in seen))
    return tuple(it for it in suspected if it in anothers)


def _may_be_told_alike(tidying: Tidying, name: str, other: str) -> bool:
    return not name or not (tidying.excludes(name, other) and tidying.excludes(other, name))
