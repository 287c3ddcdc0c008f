"""What CloudPress was seen to do to the names of an account's orders that it named to us itself."""

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Order, Site
from app.orders.names import Tidying

LEARNED_FROM = 50
# How an order's CloudPress order became known: in the answer to its `POST`, by its name in the list, by an
# operator's word. (`app/reconciler/evidence.py`)
ANSWER = "answer"
LOOK_UP = "lookup"
OPERATOR = "operator"
# The newest first, by the index of the account's orders: it ends where enough are found.
_SEEN = (
    select(Order.site_name, Site.details)
    .join(Site, Site.order_id == Order.id)
    .where(Order.account_id == bindparam("account_id"), Order.cloudpress_order_id_source == ANSWER)
    .order_by(Order.created_at.desc())
    .limit(LEARNED_FROM)
)


async def seen_tidying(session: AsyncSession, account_id: str) -> Tidying:
    """Return the least that explains how the names of an account's orders are told."""
    rows = (await session.execute(_SEEN, {"account_id": account_id})).all()
    pairs = ((row.site_name, row.details.get("name")) for row in rows)
    # An order that was erased keeps neither name.
    return Tidying.learned_from((sent, told) for sent, told in pairs if sent and told is not None)
