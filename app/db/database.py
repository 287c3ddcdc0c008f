"""The database: engine, transactions, column types and the clock, for SQLite and PostgreSQL alike.

A transaction is either a write or a read. On SQLite a write begins with `BEGIN IMMEDIATE`, so that it
never fails half-way because another one got in between; on PostgreSQL rows are locked one by one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select, true
from sqlalchemy.engine import URL
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.pool import QueuePool

from app.db.clock import Clock, DatabaseClock
from app.db.columns import Base, Cipher, _ciphers
from app.db.engine import POOL_SIZE, POOL_WAIT_SECONDS, make_engine
from app.db.errors import DATABASE_AWAY, is_repeatable, secrets_of
from app.db.outages import Outages

# Connections that no write takes: while all writes wait for a lock, reads and the readiness go on.
KEPT_FOR_READS = 2
# Who stands still in a write transaction (a process that is stopped, a network that is cut) loses it, and
# what it has locked, after this.
WRITE_IDLE_SECONDS = 5
# Shorter than the wait for a connection, so that those who wait for one locked row let the others through.
LOCK_WAIT_SECONDS = 4
# An advisory lock of PostgreSQL: any number that nobody else on the database uses.
EVENTS_LOCK = 0x70686B5F65767473
# Longer than anybody may stand still, so that those who wait for that lock outlive him.
EVENTS_WAIT_SECONDS = 10
# Of PostgreSQL's settings of `synchronous_commit` those under which a commit that was told may be lost.
LOSING = ("off", "local")
CHANNEL = "presshook"


@dataclass(frozen=True)
class Notice:
    """What a committed transaction changed: orders that are seen differently, who is due, events."""

    changed: frozenset[UUID] = frozenset()
    due: frozenset[str] = frozenset()
    """The tables in which a row is due."""
    events: bool = False

    def __bool__(self) -> bool:
        return self.events or bool(self.due) or bool(self.changed)


@dataclass
class Transaction:
    """One write transaction: its session, its time, and whom to wake once it is committed."""

    session: AsyncSession
    now: datetime
    clock: Clock
    began_at_uptime: float
    """Not later than `now`, by the machine's uptime: what is counted from here never lasts too long."""
    _changed: set[UUID] = field(default_factory=set)
    _due: set[str] = field(default_factory=set)
    events: list[object] = field(default_factory=list)
    """Rows that are inserted last, so that their numbers follow the order of the commits."""
    under_events_lock: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What is done after that, while no other's events can come in between. It waits for no lock."""

    def announce(self, *, changed: UUID | None = None, due: type[Base] | None = None) -> None:
        """Wake, after the commit, who waits for the order, and who works on rows of the table `due`."""
        if changed is not None:
            self._changed.add(changed)
        if due is not None:
            self._due.add(due.__tablename__)

    @property
    def notice(self) -> Notice:
        """What has been announced so far."""
        return Notice(frozenset(self._changed), frozenset(self._due), bool(self.events))


class Database:
    """The engine and the ways to use it."""

    def __init__(
        self,
        url: URL,
        cipher: Cipher,
        *,
        clock: Clock | None = None,
        connect_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare an engine; nothing connects before the first transaction."""
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._clock = clock or DatabaseClock()
        self._listeners: list[Callable[[Notice], None]] = []
        self.engine = make_engine(url, connect_arguments)
        self.outages = Outages(secrets_of(url))
        _ciphers[self.engine.dialect] = cipher
        self._writing = self.engine.execution_options(presshook_write=True)
        # SQLite has one writer. Waiting for it here is fair and holds no thread; across processes
        # the busy timeout does it.
        self._turns = asyncio.Semaphore(1 if self.is_sqlite else POOL_SIZE - KEPT_FOR_READS)

    def on_commit(self, listener: Callable[[Notice], None]) -> None:
        """Call `listener` with what each write transaction of this process announced."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def write(self, *, is_urgent: bool = False) -> AsyncIterator[Transaction]:
        """Run the block as one write transaction, committed when the block ends without an exception.

        One that is urgent uses a connection that is kept for reads, if it must.
        """
        async with (
            self._noting(),
            self._turn(is_urgent=is_urgent),
            AsyncSession(self._writing, expire_on_commit=False) as session,
        ):
            began_at_uptime = self._clock.uptime()
            now = await self._clock.now(session, *(() if self.is_sqlite else _limits()))
            transaction = Transaction(session, now, self._clock, began_at_uptime)
            yield transaction
            await self._insert_events(transaction)
            notice = transaction.notice
            if notice and not self.is_sqlite:
                await _notify(session, notice)
            await session.commit()
        if notice:
            for listener in self._listeners:
                listener(notice)

    @asynccontextmanager
    async def _noting(self) -> AsyncIterator[None]:
        """Take note of how it goes with the database."""
        try:
            yield
        except DATABASE_AWAY as error:
            if not is_repeatable(error):
                self.outages.note(error)
            raise
        self.outages.note_success()

    @asynccontextmanager
    async def _turn(self, *, is_urgent: bool) -> AsyncIterator[None]:
        """Wait until one more may write: where connections are few, as long as for one of them."""
        if is_urgent and not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(None if self.is_sqlite else POOL_WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise PoolTimeout("too many write transactions at once") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _insert_events(self, transaction: Transaction) -> None:
        """Insert events in the order of the commits: who reads on from a number must not miss a lower one.

        SQLite has one writer at a time. PostgreSQL hands out numbers long before a commit, so there one
        transaction after another takes the lock, inserts and commits. Nothing is locked after it, so it is
        held for a moment and is part of no deadlock. What an event refers to is locked before: its row is
        checked when the event is inserted, and that may wait for whoever waits for this lock.
        """
        if not transaction.events:
            return
        session = transaction.session
        await session.flush()
        if not self.is_sqlite:
            await session.execute(
                select(
                    _set_locally("lock_timeout", f"{EVENTS_WAIT_SECONDS}s"),
                    func.pg_advisory_xact_lock(EVENTS_LOCK),
                )
            )
        session.add_all(transaction.events)
        await session.flush()
        for follow in transaction.under_events_lock:
            await follow()
        await session.flush()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Run the block as one read transaction."""
        async with self._noting(), AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def now(self, session: AsyncSession) -> datetime:
        """Return the present time, by the clock that leases and due times use."""
        return await self._clock.now(session)

    def connections_in_use(self) -> int:
        """Return how many connections of the pool are in use now."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _set_locally(name: str, value: object) -> ColumnElement[str]:
    """Set one of PostgreSQL's settings for this transaction: a pooler's next client inherits nothing."""
    return func.set_config(name, value, true())


def _limits() -> Sequence[ColumnElement[str]]:
    """Return what holds for every write transaction on PostgreSQL from its first statement."""
    found = func.current_setting("synchronous_commit")
    return (
        _set_locally("idle_in_transaction_session_timeout", f"{WRITE_IDLE_SECONDS}s"),
        _set_locally("lock_timeout", f"{LOCK_WAIT_SECONDS}s"),
        # As SQLite's `synchronous`: what is acknowledged outlives a crash, whatever the default is.
        _set_locally("synchronous_commit", case((found.in_(LOSING), "on"), else_=found)),
    )


async def _notify(session: AsyncSession, notice: Notice) -> None:
    """Queue the notice with PostgreSQL, which delivers it at the commit and only then."""
    payloads = [str(order_id) for order_id in notice.changed]
    payloads += [f"due {table}" for table in notice.due]
    if notice.events:
        payloads.append("events")
    await session.execute(select(*(func.pg_notify(CHANNEL, payload) for payload in payloads)))
