"""Wake-ups: who waits for an order to change, for any order to be due, or for events, hears of it here.

Signals are hints, and whoever wakes reads the database again. Those of this process arrive at the commit.
Those of other replicas arrive over PostgreSQL's LISTEN; where that is not to be had (SQLite, a pooler that
forbids it, a broken connection), one poll looks for all waiters of this process together.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import select

from app.db import CHANNEL, DATABASE_AWAY, Database, Notice
from app.models import Leased, Order

WATCH_POLL_SECONDS = 0.5
RECONNECT_SECONDS = 2.0

log = structlog.get_logger()


class Signals:
    """The wake-ups of one process."""

    def __init__(self, db: Database) -> None:
        """Hear what this process commits; `run` adds the other processes."""
        self._due: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.events = asyncio.Event()
        """Set when there may be new events; who heeds it clears it."""
        self.stopping = asyncio.Event()
        """Set when the process is asked to end: whoever waits answers with what is known."""
        self._db = db
        self._watchers: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self.listening = False
        """Whether PostgreSQL tells of what other processes commit."""
        db.on_commit(self.publish)

    def publish(self, notice: Notice) -> None:
        """Wake who waits for what the notice tells."""
        for table in notice.due:
            self._due[table].set()
        if notice.events:
            self.events.set()
        for order_id in notice.changed:
            self._wake(order_id)

    def due_of(self, table: type[Leased]) -> asyncio.Event:
        """Return what is set when a row of a table may have become due; who heeds it clears it."""
        return self._due[table.__tablename__]

    def stop(self) -> None:
        """Have every waiter answer now."""
        self.stopping.set()
        self._wake_workers()
        self._wake_all()

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the order may have changed.

        Watch first and read the order then, or a change in between goes unheard.
        """
        changed = asyncio.Event()
        if self.stopping.is_set():
            changed.set()
        self._watchers[order_id].add(changed)
        try:
            yield changed
        finally:
            self._watchers[order_id].discard(changed)
            if not self._watchers[order_id]:
                del self._watchers[order_id]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Hear other processes as well while the block runs."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._poll())]
            if not self._db.is_sqlite:
                running.append(tasks.create_task(self._listen()))
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    async def _listen(self) -> None:
        """Keep one connection of its own on LISTEN, for ever."""
        dsn = self._db.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            with suppress(psycopg.Error, OSError):
                connection = await psycopg.AsyncConnection.connect(
                    dsn, autocommit=True, connect_timeout=5, prepare_threshold=None
                )
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self.listening = True
                    # Whatever was said while nobody listened may concern anyone here.
                    self._wake_workers()
                    self._wake_all()
                    async for notification in connection.notifies():
                        self._hear(notification.payload)
            if self.listening:
                log.warning("listen_lost", detail="polling until PostgreSQL is back")
            self.listening = False
            await asyncio.sleep(RECONNECT_SECONDS)

    def _hear(self, payload: str) -> None:
        if payload.startswith("due "):
            self._due[payload.removeprefix("due ")].set()
            return
        if payload == "events":
            self.events.set()
            return
        with suppress(ValueError):
            self._wake(UUID(payload))

    async def _poll(self) -> None:
        """Look for changes of all watched orders at once, whatever the number of waiters."""
        seen: dict[UUID, datetime] = {}
        while True:
            await asyncio.sleep(WATCH_POLL_SECONDS)
            if self.listening or not self._watchers:
                seen.clear()
                continue
            with suppress(*DATABASE_AWAY):
                now = await self._updates()
                for order_id, updated_at in now.items():
                    if seen.get(order_id) != updated_at:
                        self._wake(order_id)
                seen = now

    async def _updates(self) -> dict[UUID, datetime]:
        watched = select(Order.id, Order.updated_at).where(Order.id.in_(list(self._watchers)))
        async with self._db.read() as session:
            return {row.id: row.updated_at for row in await session.execute(watched)}

    def _wake(self, order_id: UUID) -> None:
        for changed in self._watchers.get(order_id, ()):
            changed.set()

    def _wake_workers(self) -> None:
        self.events.set()
        for due in self._due.values():
            due.set()

    def _wake_all(self) -> None:
        for order_id in list(self._watchers):
            self._wake(order_id)
