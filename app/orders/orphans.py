"""Orphans: orders at CloudPress that a restored database has lost. The database only.

An order that was accepted after the backup is unknown here and exists there. Its client sends it again, with
the same `Idempotency-Key`, and it would be bought a second time. So nothing is placed for an account until
its orders since the backup have been looked through, and nothing that may be one that nobody holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.database import Database, Transaction
from app.db.errors import repeated
from app.db.models import (
    RESTORED,
    Account,
    Callback,
    Event,
    Order,
    Orphan,
    OrphanSearch,
    Placement,
    Replica,
    Restoration,
    WriteProbe,
)
from app.db.upserts import insert_into
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.names import resembles
from app.orders.waking import make_due
from app.states import OrderStatus, PostOutcome

MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Found:
    """A CloudPress order that a search has found, as far as CloudPress tells of it."""

    cloudpress_order_id: str
    cloudpress_status: str | None = None
    site_name: str | None = None
    variant: str | None = None
    placed_at: datetime | None = None


class NoSuchOrphanError(Exception):
    """No open orphan has that id in that account."""


# A restored database.


async def remember_restoration(db: Database, *, since: datetime | None = None) -> datetime | None:
    """Note that the database was restored. Return since when something may be missing, None if it is empty.

    `since` is when the backup was made; by default the last moment that the database knows of.
    """
    async with db.write() as tx:
        since = since or await _last_moment(tx.session)
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
    columns = (
        Order.updated_at,
        Placement.sent_at,
        Placement.answered_at,
        Callback.last_received_at,
        Event.at,
        WriteProbe.written_at,
        Replica.seen_at,
    )
    moments = [(await session.execute(select(func.max(column)))).scalar() for column in columns]
    return max((moment for moment in moments if moment is not None), default=None)


def _begin_searches(tx: Transaction, restoration_id: int, account_ids: Iterable[str]) -> None:
    for account_id in sorted(account_ids):
        tx.session.add(OrphanSearch(restoration_id=restoration_id, account_id=account_id))


async def last_restoration(session: AsyncSession) -> Restoration | None:
    """Return the last restoration, None if there was none."""
    return (await session.scalars(select(Restoration).order_by(Restoration.id.desc()).limit(1))).first()


# The search. (`app/reconciler/orphan_search.py`)


@repeated
async def begin_search(db: Database, restoration_id: int, account_id: str) -> None:
    """Have an account's orders looked through, if that has not begun."""
    insert = insert_into(OrphanSearch, is_sqlite=db.is_sqlite)
    values = insert.values(restoration_id=restoration_id, account_id=account_id)
    async with db.write() as tx:
        await tx.session.execute(values.on_conflict_do_nothing())


async def open_searches(session: AsyncSession, restoration_id: int) -> tuple[str, ...]:
    """Return the accounts whose orders have not been looked through."""
    still = select(OrphanSearch.account_id).where(
        OrphanSearch.restoration_id == restoration_id, OrphanSearch.done_at.is_(None)
    )
    return tuple(await session.scalars(still.order_by(OrphanSearch.account_id)))


@repeated
async def keep_found(db: Database, restoration_id: int, account_id: str, found: Sequence[Found]) -> int:
    """Keep what a search has found and nobody holds; return how many that are."""
    async with db.write() as tx:
        # Whoever searches the same account keeps what he has found before us or after us.
        await tx.session.get(OrphanSearch, (restoration_id, account_id), with_for_update=True)
        known = await held_or_known(tx.session, account_id, [each.cloudpress_order_id for each in found])
        new = [each for each in found if each.cloudpress_order_id not in known]
        for each in new:
            tx.session.add(
                Orphan(
                    account_id=account_id,
                    cloudpress_order_id=each.cloudpress_order_id,
                    cloudpress_status=each.cloudpress_status,
                    site_name=each.site_name,
                    variant=each.variant,
                    placed_at=each.placed_at,
                    found_at=tx.now,
                )
            )
            _tell(tx, EventType.ORPHAN_FOUND, account_id, each.cloudpress_order_id)
        return len(new)


async def held_or_known(session: AsyncSession, account_id: str, ids: Sequence[str]) -> set[str]:
    """Return which CloudPress orders of an account an order of ours holds, or a search has found before."""
    held = select(Order.cloudpress_order_id).where(
        Order.account_id == account_id, Order.cloudpress_order_id.in_(ids)
    )
    known = select(Orphan.cloudpress_order_id).where(
        Orphan.account_id == account_id, Orphan.cloudpress_order_id.in_(ids)
    )
    return {*await session.scalars(known), *(it for it in await session.scalars(held) if it is not None)}


@repeated
async def end_search(db: Database, restoration_id: int, account_id: str) -> None:
    """Note that an account's orders have been looked through; what waited for it goes on."""
    async with db.write() as tx:
        await _wake(tx, account_id, OrderStatus.PENDING)
        search = await tx.session.get_one(OrphanSearch, (restoration_id, account_id))
        search.done_at = search.done_at or tx.now


async def _wake(tx: Transaction, account_id: str, status: OrderStatus) -> None:
    waiting = select(Order).where(Order.account_id == account_id, Order.status == status)
    for order in await tx.session.scalars(waiting.order_by(Order.id).limit(MOST_AT_ONCE).with_for_update()):
        make_due(tx, order)


# What stands in the way of an order.


async def is_searched(session: AsyncSession, account_id: str) -> bool:
    """Tell whether an account's orders have been looked through since the last restoration, if any."""
    restoration = await last_restoration(session)
    if restoration is None:
        return True
    search = await session.get(OrphanSearch, (restoration.id, account_id))
    return search is not None and search.done_at is not None


def is_open() -> ColumnElement[bool]:
    """Return the condition that nobody has settled an orphan, and no order holds it."""
    held = exists().where(
        Order.account_id == Orphan.account_id, Order.cloudpress_order_id == Orphan.cloudpress_order_id
    )
    return Orphan.settled_at.is_(None) & ~held


async def orphans_like(session: AsyncSession, order: Order) -> tuple[str, ...]:
    """Return the open orphans that may be an order: of its account, and with its variant and name, if told.

    What CloudPress did to the name is not known, so any tidying counts.
    """
    of_account = select(Orphan).where(Orphan.account_id == order.account_id, is_open()).order_by(Orphan.id)
    return tuple(
        orphan.cloudpress_order_id for orphan in await session.scalars(of_account) if _is_like(order, orphan)
    )


async def dismissed_orphans(session: AsyncSession, account_id: str) -> set[str]:
    """Return the orphans of an account of which an operator has said that they are none of ours."""
    settled = select(Orphan.cloudpress_order_id, Orphan.settled).where(
        Orphan.account_id == account_id, Orphan.settled_at.is_not(None)
    )
    return {row.cloudpress_order_id for row in await session.execute(settled) if _is_dismissed(row.settled)}


def _is_dismissed(settled: dict[str, Any] | None) -> bool:
    return (settled or {}).get("action") == "dismiss"


async def is_left_to_people(session: AsyncSession, order: Order, cloudpress_order_id: str) -> bool:
    """Tell whether a CloudPress order is an open orphan and the order newer than the restored database.

    Two clients may call their sites alike: no order gets another's site and password because of its name.
    """
    orphan = select(Orphan.id).where(
        Orphan.account_id == order.account_id, Orphan.cloudpress_order_id == cloudpress_order_id, is_open()
    )
    restored = select(Restoration.id).where(Restoration.restored_at <= order.created_at)
    both = select(orphan.exists() & restored.exists())
    return bool((await session.execute(both)).scalar_one())


def _is_like(order: Order, orphan: Orphan) -> bool:
    if orphan.variant is not None and orphan.variant.lower() != order.variant.lower():
        return False
    return orphan.site_name is None or resembles(orphan.site_name, order.site_name)


async def doubt(tx: Transaction, order: Order) -> None:
    """Note that an order may have been sent by whoever had the database before."""
    attempts = select(func.max(Placement.attempt)).where(Placement.order_id == order.id)
    attempt = (await tx.session.execute(attempts)).scalar() or 0
    tx.session.add(
        Placement(
            order_id=order.id,
            attempt=attempt + 1,
            # The original may have sent it a moment ago, so the grace begins now. How far back a look-up
            # goes is another matter: `evidence.what_was_sent`.
            sent_at=tx.now,
            sent_boot=tx.clock.boot,
            sent_uptime=tx.began_at_uptime,
            outcome=PostOutcome.UNKNOWN,
            callback_key_id=RESTORED,
        )
    )


# What an operator decides.


async def list_orphans(
    session: AsyncSession, *, account_ids: Sequence[str] | None, before: int | None, limit: int
) -> tuple[Orphan, ...]:
    """Return open orphans, the newest first; `account_ids` None for all, `before` an orphan's number."""
    wanted = select(Orphan).where(is_open())
    if account_ids is not None:
        wanted = wanted.where(Orphan.account_id.in_(account_ids))
    if before is not None:
        wanted = wanted.where(Orphan.id < before)
    return tuple(await session.scalars(wanted.order_by(Orphan.id.desc()).limit(limit)))


@repeated
async def adopt_orphan(db: Database, account_id: str, cloudpress_order_id: str, *, by: Actor) -> Order:
    """Make an order of an orphan. The reconciler takes it up as one that an operator has found.

    Raises:
        NoSuchOrphanError: there is none.
    """
    async with db.write() as tx:
        orphan = await _locked(tx.session, account_id, cloudpress_order_id)
        order = Order(
            id=uuid7(),
            status=OrderStatus.UNCONFIRMED,
            account_id=account_id,
            site_name=orphan.site_name or cloudpress_order_id,
            variant=orphan.variant or "vanilla",
            client_metadata={},
            resolution={"action": "adopt", "cloudpress_order_id": cloudpress_order_id, **by.told},
            due_at=tx.now,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(order)
        await tx.session.flush()
        await doubt(tx, order)
        record(tx, order.id, EventType.ACCEPTED, by=by)
        _settle(tx, orphan, "adopt", by)
        _tell(tx, EventType.ORPHAN_ADOPTED, account_id, cloudpress_order_id, by=by, order=str(order.id))
        tx.announce(due=Order)
        return order


@repeated
async def dismiss_orphan(db: Database, account_id: str, cloudpress_order_id: str, *, by: Actor) -> None:
    """Note that an orphan is none of ours: orders that waited for its sake are looked at again.

    Raises:
        NoSuchOrphanError: there is none.
    """
    async with db.write() as tx:
        await _wake(tx, account_id, OrderStatus.UNCONFIRMED)
        orphan = await _locked(tx.session, account_id, cloudpress_order_id)
        _settle(tx, orphan, "dismiss", by)
        _tell(tx, EventType.ORPHAN_DISMISSED, account_id, cloudpress_order_id, by=by)


async def _locked(session: AsyncSession, account_id: str, cloudpress_order_id: str) -> Orphan:
    wanted = select(Orphan).where(
        Orphan.account_id == account_id, Orphan.cloudpress_order_id == cloudpress_order_id, is_open()
    )
    orphan = (await session.scalars(wanted.with_for_update(of=Orphan))).first()
    if orphan is None:
        raise NoSuchOrphanError
    return orphan


def _settle(tx: Transaction, orphan: Orphan, action: str, by: Actor) -> None:
    orphan.settled_at = tx.now
    orphan.settled = {"action": action, **by.told}


def _tell(tx: Transaction, kind: EventType, account_id: str, cloudpress_order_id: str, **more: Any) -> None:  # noqa: ANN401
    # With the account, so that a key of that alone sees it too. (`app/events/reading.py`)
    record(tx, None, kind, cloudpress_order_id=cloudpress_order_id, account_ids=[account_id], **more)
