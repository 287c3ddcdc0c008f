"""The database: engine, transactions, column types and the clock, for SQLite and PostgreSQL alike.

A transaction is either a write or a read. On SQLite a write begins with `BEGIN IMMEDIATE`, so that it
never fails half-way because another one got in between; on PostgreSQL rows are locked one by one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.db import sqlite
from app.db.clock import Clock, DatabaseClock
from app.db.columns import Cipher, _ciphers
from app.db.engine import (
    BEGIN_WRITE,
    POOL_SIZE,
    POOL_WAIT_SECONDS,
    driver_of,
    make_engine,
    make_threads_engine,
)
from app.db.errors import DATABASE_AWAY, is_repeatable, secrets_of
from app.db.inserting import inserting
from app.db.notice import Notice
from app.db.outages import Outages
from app.db.postgresql import LIMITS, NOTIFY
from app.db.sharing import Sharing
from app.db.stalls import Stalls
from app.db.transactions import Transaction
from app.db.whole import Result, Threads, WholeTransaction, Work

# Connections that no write takes: while all writes wait for a lock, reads and the readiness go on.
KEPT_FOR_READS = 2
# Transactions in threads at a time; SQLite has one writer anyway.
THREADS = 2


@asynccontextmanager
async def _session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """Yield a session, which is closed when the block ends, whoever is cancelled."""
    session = AsyncSession(engine, expire_on_commit=False)
    try:
        yield session
    finally:
        if session.in_transaction():
            await session.__aexit__(None, None, None)
        else:
            # Nothing is left to wait for: a task for it, as SQLAlchemy makes one, costs more than the rest.
            session.sync_session.close()


class Database:
    """The engine and the ways to use it."""

    def __init__(
        self,
        url: URL,
        cipher: Cipher,
        *,
        clock: Clock | None = None,
        connect_arguments: Mapping[str, Any] | None = None,
        connect_sqlite: sqlite.Connect | None = None,
    ) -> None:
        """Prepare an engine; nothing connects before the first transaction.

        `connect_arguments` are the driver's; `connect_sqlite` makes connections to SQLite in its place.
        """
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._clock = clock or DatabaseClock()
        self._listeners: list[Callable[[Notice], None]] = []
        self.engine = make_engine(url, connect_arguments, connect_sqlite=connect_sqlite)
        self.outages = Outages(secrets_of(url))
        _ciphers[self.engine.dialect] = cipher
        # Where a test has set the clock, or put something between us and the database, all is to be seen on
        # the event loop.
        self._threads: Threads | None = None
        if clock is None and connect_arguments is None and connect_sqlite is None:
            threads = 1 if self.is_sqlite else THREADS
            engine = make_threads_engine(url, threads)
            _ciphers[engine.dialect] = cipher
            self._threads = Threads(engine, threads=threads)
            if self.is_sqlite:
                connect_sqlite = partial(sqlite.ThreadedConnection, thread=self._threads.pool)
        self._writer = self.engine
        if self.is_sqlite:
            # Rather than an engine's options, which cost each connection's events twice.
            self._writer = make_engine(
                url, connect_arguments, connect_sqlite=connect_sqlite, begin=BEGIN_WRITE
            )
            _ciphers[self._writer.dialect] = cipher
        self._sharing = Sharing(lambda: self.outages.is_away)
        self.backends: set[int] = set()
        """PostgreSQL's processes that serve this one, by their ids: what they notify of is no news here."""
        self._stalls = Stalls()
        if not self.is_sqlite:
            self._watch_connections()
        # SQLite has one writer. Waiting for it here is fair and holds no thread; across processes
        # the busy timeout does it.
        self._turns = asyncio.Semaphore(1 if self.is_sqlite else POOL_SIZE - KEPT_FOR_READS)

    def _watch_connections(self) -> None:
        engines = [self.engine.sync_engine, *([self._threads.engine] if self._threads else [])]
        for engine in engines:
            self._stalls.heed(engine)
            event.listen(engine, "connect", self._note_backend)
            event.listen(engine, "close", self._forget_backend)

    def _note_backend(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        backend = driver_of(connection).info.backend_pid
        entry.info["backend"] = backend
        self.backends.add(backend)

    def _forget_backend(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        self.backends.discard(entry.info.get("backend", 0))

    def cutting_stalls(self, ending: asyncio.Event) -> AbstractAsyncContextManager[None]:
        """Cut connections that are not answered while the block runs, sooner once `ending` is set.

        That is for the service: what a command does to a whole database may take its time. On SQLite there is
        nobody to wait for.
        """
        return nullcontext() if self.is_sqlite else self._stalls.watching(ending)

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
            _session(self._writer) as session,
        ):
            began_at_uptime = self._clock.uptime()
            transaction = Transaction(
                session=session,
                now=await self._begin(session),
                clock=self._clock,
                began_at_uptime=began_at_uptime,
            )
            yield transaction
            told = await self._insert_events(transaction)
            notice = transaction.notice
            untold = notice.without(told)
            if untold and not self.is_sqlite:
                await session.execute(NOTIFY, {"payloads": untold.payloads})
            await session.commit()
        self._tell(notice)

    async def _begin(self, session: AsyncSession) -> datetime:
        """Begin a write transaction and return its time; on a new connection, should the first be broken."""
        if self.is_sqlite:
            return await self._clock.now(session)
        try:
            return await self._clock.now(session, *LIMITS)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            await session.rollback()
        return await self._clock.now(session, *LIMITS)

    async def write_whole(self, work: Work[Result]) -> Result:
        """Run `work` as one write transaction, committed when this returns, in one go (`app/db/whole.py`)."""
        async with self._noting(), self._turn(is_urgent=False):
            if self._threads is not None:
                result, notice = await self._threads.run(work)
            else:
                result, notice = await self._run_here(work)
        self._tell(notice)
        return result

    async def _run_here(self, work: Work[Result]) -> tuple[Result, Notice]:
        async with _session(self._writer) as session:
            now = await self._begin(session)
            done = await session.run_sync(
                lambda sync: WholeTransaction(now=now, connection=sync.connection()).run(work)
            )
            await session.commit()
        return done

    def _tell(self, notice: Notice) -> None:
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

    async def _insert_events(self, transaction: Transaction) -> Notice:
        """Insert events in the order of the commits: who reads on from a number must not miss a lower one.

        Return what other processes have been told of in the same statement.

        SQLite has one writer at a time. PostgreSQL hands out numbers long before a commit, so there one
        transaction after another takes the lock, inserts and commits. Nothing is locked after it, so it is
        held for a moment and is part of no deadlock. What an event refers to is locked before: its row is
        checked when the event is inserted, and that may wait for whoever waits for this lock.
        """
        if not transaction.events:
            return Notice()
        session = transaction.session
        await session.flush()
        told = transaction.notice
        connection = await session.connection()
        await connection.execute(*inserting(transaction.events, told, is_sqlite=self.is_sqlite))
        with session.no_autoflush:
            await transaction.make_deliveries()
        return told

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Run the block as one read transaction.

        It holds a connection, of which a key has only so many: none is to be begun within another.
        """
        async with (
            self._sharing.turn(),
            self._noting(),
            _session(self.engine) as session,
        ):
            yield session
            # What a rollback ends PostgreSQL's driver takes for a reason to forget all that it has prepared.
            await session.commit()

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
        if self._writer is not self.engine:
            await self._writer.dispose()
        if self._threads is not None:
            # What is being written there is waited for, and cut by the event loop if nobody answers.
            await asyncio.to_thread(self._threads.dispose)
