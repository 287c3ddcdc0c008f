"""Restored databases, and whether every account's orders at CloudPress were looked through since.

Nothing is placed for an account until that is done: what a restored database has lost is not known before.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.errors import repeated
from app.db.lasting import Span, lasted, met_again, moment
from app.db.models import (
    Account,
    Callback,
    Event,
    Order,
    OrphanSearch,
    Placement,
    Restoration,
)
from app.db.transactions import Transaction
from app.db.upserts import insert_into
from app.orders.waking import wake_orders
from app.states import OrderStatus

# What is ahead of this machine's clock by no more is found all the same: far more is looked through.
DRIFT = timedelta(minutes=5)
# One that is listed and cannot be read counts without a name after so many tries in so long a time.
UNREAD_TRIES, UNREAD_AFTER = 3, timedelta(hours=1)


class FutureError(Exception):
    """A moment that is to have been is still to come."""


async def remember_restoration(db: Database, *, since: datetime | None = None) -> datetime | None:
    """Note that the database was restored. Return since when something may be missing, None if it is empty.

    `since` is when the backup was made; by default the last moment that the database knows of. Where the last
    restoration is still being looked through, nothing is forgotten that it asked for.

    Raises:
        FutureError: that is later than the database's clock: nothing would be looked through.
    """
    async with db.write() as tx:
        since = since or await _last_moment(tx.session)
        if since is not None and since > tx.now + DRIFT:
            raise FutureError(
                f"{since:%Y-%m-%d %H:%M:%S} UTC is still to come: say when the backup was made, by this clock"
            )
        before = await last_restoration(tx.session)
        if before is not None and await open_searches(tx.session, before.id):
            since = min(since or before.since, before.since)
        if since is None:
            return None
        restoration = Restoration(since=since, restored_at=tx.now)
        tx.session.add(restoration)
        await tx.session.flush()
        accounts = {*await tx.session.scalars(select(Account.id))}
        accounts |= {*await tx.session.scalars(select(Order.account_id).distinct())}
        _begin_searches(tx, restoration.id, accounts)
        return since


async def _last_moment(session: AsyncSession) -> datetime | None:
    """Return the last moment that an order here tells of.

    Nothing else tells when the backup was made: whoever looks at a restored database before he says that it
    was restored (doctor, a probe, a process that was started) writes into it.
    """
    columns = (Order.updated_at, Placement.sent_at, Placement.answered_at, Callback.last_received_at)
    latest = [select(func.max(column)) for column in columns]
    latest.append(select(func.max(Event.at)).where(Event.order_id.is_not(None)))
    moments = [(await session.execute(each)).scalar() for each in latest]
    return max((moment for moment in moments if moment is not None), default=None)


def _begin_searches(tx: Transaction, restoration_id: int, account_ids: Iterable[str]) -> None:
    for account_id in sorted(account_ids):
        tx.session.add(OrphanSearch(restoration_id=restoration_id, account_id=account_id))


async def last_restoration(session: AsyncSession) -> Restoration | None:
    """Return the last restoration, None if there was none."""
    return (await session.scalars(select(Restoration).order_by(Restoration.id.desc()).limit(1))).first()


async def not_begun(session: AsyncSession, restoration_id: int, own_account_id: str) -> tuple[str, ...]:
    """Return the accounts that orders wait to be placed for and whose search has not begun.

    An account may be new since the restoration. `own_account_id` is the environment's, which no table holds.
    """
    waiting = select(Order.account_id).where(Order.status == OrderStatus.PENDING).distinct()
    begun = select(OrphanSearch.account_id).where(OrphanSearch.restoration_id == restoration_id)
    accounts = {own_account_id, *await session.scalars(waiting)}
    return tuple(sorted(accounts - set(await session.scalars(begun))))


@repeated
async def begin_searches(db: Database, restoration_id: int, account_ids: Iterable[str]) -> None:
    """Have the orders of accounts looked through, where that has not begun."""
    rows = [{"restoration_id": restoration_id, "account_id": account_id} for account_id in account_ids]
    if not rows:
        return
    insert = insert_into(OrphanSearch, is_sqlite=db.is_sqlite).values(rows)
    async with db.write() as tx:
        await tx.session.execute(insert.on_conflict_do_nothing())


async def open_searches(session: AsyncSession, restoration_id: int) -> tuple[str, ...]:
    """Return the accounts whose orders have not been looked through."""
    still = select(OrphanSearch.account_id).where(
        OrphanSearch.restoration_id == restoration_id, OrphanSearch.done_at.is_(None)
    )
    return tuple(await session.scalars(still.order_by(OrphanSearch.account_id)))


@repeated
async def note_unread(
    db: Database, restoration_id: int, account_id: str, unread: Collection[str]
) -> frozenset[str]:
    """Count a try for each order that could not be read; return those that failed often and long enough.

    It is counted from try to try, whichever processes make them.
    """
    if not unread:
        return frozenset()
    async with db.write() as tx:
        key, now = (restoration_id, account_id), moment(tx)
        search = await tx.session.get_one(OrphanSearch, key, with_for_update=True)
        known = dict(search.unread or {})
        for_good = set()
        for order_id in unread:
            before = known.get(order_id, {})
            tries = before.get("tries", 0) + 1
            if tries >= UNREAD_TRIES and lasted(before.get("met"), now, Span.HOURS) >= UNREAD_AFTER:
                for_good.add(order_id)
            known[order_id] = {"tries": tries, "met": met_again(before.get("met"), now)}
        search.unread = known
        return frozenset(for_good)


@repeated
async def end_search(db: Database, restoration_id: int, account_id: str) -> None:
    """Note that an account's orders have been looked through; what waited for it goes on."""
    async with db.write() as tx:
        await wake_orders(tx, account_id, OrderStatus.PENDING)
        search = await tx.session.get_one(OrphanSearch, (restoration_id, account_id))
        search.done_at = search.done_at or tx.now
