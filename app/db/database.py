"""The database: engine, transactions, column types and the clock, for SQLite and PostgreSQL alike.

A transaction is either a write or a read. On SQLite a write begins with `BEGIN IMMEDIATE`, so that it
never fails half-way because another one got in between; on PostgreSQL rows are locked one by one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, event, func, select, true
from sqlalchemy.engine import URL, Connection, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.db.clock import Clock, DatabaseClock
from app.db.columns import Base, Cipher, _ciphers

POOL_SIZE = 8
POOL_WAIT_SECONDS = 5
# Connections that no write takes: while all writes wait for a lock, reads and the readiness go on.
KEPT_FOR_READS = 2
BUSY_TIMEOUT_SECONDS = 10
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
# What the driver and the pool raise while the database is away or has no connection to spare. Any other
# error of SQLAlchemy is a defect or an impossible value, and trying again would not mend it.
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout, OSError)


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
        self.engine = create_async_engine(
            url,
            # An error's text would otherwise hold the statement's values.
            hide_parameters=True,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_pre_ping=not self.is_sqlite,
            # Stated, since the database's own default may be another. (SQLite knows but one.)
            isolation_level=None if self.is_sqlite else "READ COMMITTED",
            connect_args={**_connect_arguments(sqlite=self.is_sqlite), **(connect_arguments or {})},
        )
        _ciphers[self.engine.dialect] = cipher
        self._writing = self.engine.execution_options(presshook_write=True)
        # SQLite has one writer. Waiting for it here is fair and holds no thread; across processes
        # the busy timeout does it.
        self._turns = asyncio.Semaphore(1 if self.is_sqlite else POOL_SIZE - KEPT_FOR_READS)
        event.listen(self.engine.sync_engine, "handle_error", _as_away)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    def on_commit(self, listener: Callable[[Notice], None]) -> None:
        """Call `listener` with what each write transaction of this process announced."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Run the block as one write transaction, committed when the block ends without an exception."""
        async with self._turn(), AsyncSession(self._writing, expire_on_commit=False) as session:
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
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until one more may write: where connections are few, as long as for one of them."""
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

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Run the block as one read transaction."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def now(self, session: AsyncSession) -> datetime:
        """Return the present time, by the clock that leases and due times use."""
        return await self._clock.now(session)

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _connect_arguments(*, sqlite: bool) -> dict[str, Any]:
    if sqlite:
        # The driver begins nothing by itself; `_begin_sqlite` does.
        return {"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None}
    # Without prepared statements a pooler in transaction mode can stand in between.
    return {"prepare_threshold": None, "connect_timeout": 5, "tcp_user_timeout": 15_000}


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


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


# Of a server that was made a standby, and of transactions that it ended for having stood still. The driver
# does not count them among the operational errors, which all others of this kind are.
AWAY_STATES = frozenset({"25006", "25P03", "25P04"})


def _as_away(context: ExceptionContext) -> None:
    """Have a server that takes no writes for now be known for one that is away."""
    if getattr(context.original_exception, "sqlstate", None) in AWAY_STATES:
        raise OperationalError(
            context.statement, None, context.original_exception, hide_parameters=True
        ) from None


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("presshook_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def _notify(session: AsyncSession, notice: Notice) -> None:
    """Queue the notice with PostgreSQL, which delivers it at the commit and only then."""
    payloads = [str(order_id) for order_id in notice.changed]
    payloads += [f"due {table}" for table in notice.due]
    if notice.events:
        payloads.append("events")
    await session.execute(select(*(func.pg_notify(CHANNEL, payload) for payload in payloads)))
