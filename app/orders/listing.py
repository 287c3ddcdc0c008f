"""Lists of orders, the newest first, by keyset: a page costs the same wherever it is.

Where a list is of several accounts or statuses, each is read from its own index and the heads are merged:
a single `IN` would have the database sort or sift all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import product
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Order, Site, Task
from app.db.unindexed import unindexed
from app.orders.reading import OrderView
from app.states import OrderStatus

# SQLite takes no more than 500 parts of a compound.
MAX_PARTS = 100


@dataclass(frozen=True)
class Place:
    """A place in the list: just after this order."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True)
class Wanted:
    """Which orders a list shows. None means all."""

    statuses: Sequence[OrderStatus] | None = None
    account_ids: Sequence[str] | None = None
    attention: bool | None = None
    site_name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    after: Place | None = None
    limit: int = field(default=50, kw_only=True)


async def list_orders(session: AsyncSession, wanted: Wanted) -> tuple[OrderView, ...]:
    """Return up to `limit` orders with their tasks and sites, the newest first."""
    if wanted.site_name is not None and wanted.account_ids is None:
        wanted = replace(wanted, account_ids=await _all_accounts(session))
    found = (await session.execute(page(wanted))).all()
    ids = [row.id for row in found]
    if not ids:
        return ()
    orders = {order.id: order for order in await session.scalars(select(Order).where(Order.id.in_(ids)))}
    tasks: dict[UUID, list[Task]] = {}
    for task in await session.scalars(select(Task).where(Task.order_id.in_(ids)).order_by(Task.id)):
        tasks.setdefault(task.order_id, []).append(task)
    sites = {
        site.order_id: site for site in await session.scalars(select(Site).where(Site.order_id.in_(ids)))
    }
    return tuple(
        OrderView(orders[order_id], tuple(tasks.get(order_id, ())), sites.get(order_id)) for order_id in ids
    )


async def _all_accounts(session: AsyncSession) -> Sequence[str]:
    """Return every account that has orders, one step of its index each: names are indexed by account."""
    first = select(func.min(Order.account_id).label("id")).cte("account", recursive=True)
    following = select(func.min(Order.account_id)).where(Order.account_id > first.c.id).scalar_subquery()
    accounts = first.union_all(select(following).where(first.c.id.is_not(None)))
    return [each for each in await session.scalars(select(accounts.c.id)) if each is not None]


def page(wanted: Wanted) -> Select[UUID, datetime]:
    """Return the statement that finds a page's ids."""
    accounts = wanted.account_ids
    statuses = wanted.statuses
    # Few orders ask for attention, and few have one name: both have indexes of their own, in which what else
    # is wanted is looked at order by order. By an expression, since its own index would be read to its end.
    among: list[ColumnElement[bool]] = []
    if wanted.attention and statuses is not None:
        among, statuses = [unindexed(Order.status).in_(statuses)], None
    if wanted.site_name is not None or len(accounts or [0]) * len(statuses or [0]) > MAX_PARTS:
        if accounts is not None:
            account = unindexed(Order.account_id) if wanted.attention else Order.account_id
            among.append(account.in_(accounts))
        if statuses is not None:
            among.append(Order.status.in_(statuses))
        return _part(wanted, among)
    parts = [
        _part(
            wanted,
            [
                *among,
                *([Order.account_id == account] if account is not None else []),
                *([Order.status == status] if status is not None else []),
            ],
        )
        for account, status in product(
            [None] if accounts is None else accounts, [None] if statuses is None else statuses
        )
    ]
    if len(parts) == 1:
        return parts[0]
    merged = union_all(*(select(part.subquery()) for part in parts)).subquery()
    newest_first = (merged.c.created_at.desc(), merged.c.id.desc())
    return select(merged.c.id, merged.c.created_at).order_by(*newest_first).limit(wanted.limit)


def _part(wanted: Wanted, conditions: list[ColumnElement[bool]]) -> Select[UUID, datetime]:
    if wanted.attention is not None:
        asks = Order.attention_code.is_not(None) if wanted.attention else Order.attention_code.is_(None)
        conditions.append(asks)
    if wanted.site_name is not None:
        conditions.append(Order.site_name == wanted.site_name)
    if wanted.created_after is not None:
        conditions.append(Order.created_at > wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(Order.created_at < wanted.created_before)
    if wanted.after is not None:
        place = tuple_(wanted.after.created_at, wanted.after.id, types=(Order.created_at.type, Order.id.type))
        conditions.append(tuple_(Order.created_at, Order.id) < place)
    # By an expression where few have the name: an index in that order would be read until they are found.
    created_at = Order.created_at if wanted.site_name is None else unindexed(Order.created_at)
    newest_first = (created_at.desc(), Order.id.desc())
    return select(Order.id, Order.created_at).where(*conditions).order_by(*newest_first).limit(wanted.limit)
