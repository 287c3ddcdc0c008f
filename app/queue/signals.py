"""Wake-ups: who waits for an order to change, for any order to be due, or for events, hears of it here.

Signals are hints, and whoever wakes reads the database again. Those of this process arrive at the commit.
Those of other replicas arrive over PostgreSQL's LISTEN; where that is not to be had (SQLite, a pooler, a
broken connection), one poll looks for all waiters of this process together. That LISTEN was accepted says
nothing: behind a pooler in transaction mode, or on a connection of which the other end is gone, nothing is
ever heard. So this process now and then says something to itself, and trusts what it hears only then.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.db.models import ApiKey, Leased, Order
from app.db.notice import Notice
from app.db.outages import Outages
from app.db.postgresql import CHANNEL

if TYPE_CHECKING:
    from app.db.listening import Heard

WATCH_POLL_SECONDS = 0.5
RECONNECT_SECONDS = 2.0
# A pooler stays what it is; each further try to listen behind it waits twice as long.
RECONNECT_CEILING_SECONDS = 300.0
PROBE_SECONDS = 30.0
PROBE_ANSWER_SECONDS = 5.0

IsNews = Callable[[Collection[str | None]], bool]
"""Is given whose rows this process has made due, None where that is not told."""

log = structlog.get_logger()


class _UnheardError(Exception):
    """What was said over the database did not come back on the connection that listens."""


class Signals:
    """The wake-ups of one process."""

    def __init__(self, db: Database) -> None:
        """Hear what this process commits; `run` adds the other processes."""
        self._due: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._is_news: defaultdict[str, list[IsNews]] = defaultdict(list)
        self._due_elsewhere: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self.events = asyncio.Event()
        """Set when there may be new events; who heeds it clears it."""
        self.stopping = asyncio.Event()
        """Set when the process is asked to end: whoever waits answers with what is known."""
        self._db = db
        self._watchers: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self.listening = False
        """Whether PostgreSQL tells of what other processes commit."""
        self._probe = ""
        self._probe_heard = asyncio.Event()
        db.on_commit(self.publish)

    def publish(self, notice: Notice) -> None:
        """Wake who waits for what the notice tells."""
        due: defaultdict[str, set[str | None]] = defaultdict(set)
        for table, account in notice.due:
            due[table].add(account)
        for table, accounts in due.items():
            workers = self._is_news[table]
            if not workers or any(is_news(accounts) for is_news in workers):
                self._due[table].set()
        if notice.events:
            self.events.set()
        for order_id in notice.changed:
            self._wake(order_id)

    @property
    def outages(self) -> Outages:
        """What has lately gone wrong with the database that they are of."""
        return self._db.outages

    def due_of(self, table: type[Leased]) -> asyncio.Event:
        """Return what is set when this process may have made a row of a table due; who heeds it clears it."""
        return self._due[table.__tablename__]

    def heed_if(self, table: type[Leased], is_news: IsNews) -> None:
        """Wake a table's workers for what this process commits only where one says that it is news."""
        self._is_news[table.__tablename__].append(is_news)

    def on_due_elsewhere(self, table: type[Leased], heed: Callable[[], None]) -> None:
        """Call `heed` when another process has made rows of a table due."""
        self._due_elsewhere[table.__tablename__].append(heed)

    def stop(self) -> None:
        """Have every waiter answer now."""
        self.stopping.set()
        self._wake_workers()
        self._wake_all()

    @contextmanager
    def watch(self, *ids: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever one of these orders and API keys may have changed.

        Watch first and read then, or a change in between goes unheard.
        """
        changed = asyncio.Event()
        if self.stopping.is_set():
            changed.set()
        for watched in ids:
            self._watchers[watched].add(changed)
        try:
            yield changed
        finally:
            for watched in ids:
                self._watchers[watched].discard(changed)
                if not self._watchers[watched]:
                    del self._watchers[watched]

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
        is_deafness_told = False
        wait_seconds = RECONNECT_SECONDS
        while True:
            is_deaf = False
            try:
                await self._listen_once()
            except* _UnheardError:
                is_deaf = not self.listening
            except* OSError:
                pass
            if self.listening:
                log.warning("listen_lost", detail="polling until PostgreSQL is back")
                is_deafness_told = False
            self.listening = False
            if is_deaf and not is_deafness_told:
                log.warning("listen_unheard", detail="polling: is there a pooler in transaction mode?")
                is_deafness_told = True
            wait_seconds = min(wait_seconds * 2, RECONNECT_CEILING_SECONDS) if is_deaf else RECONNECT_SECONDS
            await asyncio.sleep(wait_seconds)

    async def _listen_once(self) -> None:
        """Listen until the connection breaks or does not hear what is said (in an exception group)."""
        from app.db.listening import listening  # noqa: PLC0415 - not needed on SQLite, and large

        async with listening(self._db) as heard, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear_all(heard))
            tasks.create_task(self._probe_for_ever())

    async def _hear_all(self, heard: "AsyncIterator[Heard]") -> None:
        async for each in heard:
            self._hear(each.payload, is_own=each.backend in self._db.backends)

    async def _probe_for_ever(self) -> None:
        """Say something now and then, and expect to hear it.

        Raises:
            _UnheardError: it was said and not heard.
        """
        while True:
            # Others hear it as well, and make nothing of it.
            self._probe = f"probe {uuid4()}"
            self._probe_heard.clear()
            try:
                async with self._db.write() as tx:
                    await tx.session.execute(select(func.pg_notify(CHANNEL, self._probe)))
            except (SQLAlchemyError, *DATABASE_AWAY):
                # What could not be said proves nothing about the one who listens.
                await asyncio.sleep(PROBE_ANSWER_SECONDS)
                continue
            try:
                async with asyncio.timeout(PROBE_ANSWER_SECONDS):
                    await self._probe_heard.wait()
            except TimeoutError:
                raise _UnheardError from None
            if not self.listening:
                self.listening = True
                # Whatever was said while nobody listened may concern anyone here.
                self._wake_workers()
                self._wake_all()
            await asyncio.sleep(PROBE_SECONDS)

    def _hear(self, payload: str, *, is_own: bool) -> None:
        if payload == self._probe:
            self._probe_heard.set()
        elif not is_own:  # else whoever waits here was woken by the commit
            self.hear(payload)

    def hear(self, payload: str) -> None:
        """Wake who waits for what another process has told."""
        if payload.startswith("due "):
            for heed in self._due_elsewhere[payload.removeprefix("due ")]:
                heed()
            return
        if payload == "events":
            self.events.set()
            return
        with suppress(ValueError):
            self._wake(UUID(payload))

    async def _poll(self) -> None:
        """Look for changes of all that is watched at once, whatever the number of waiters."""
        seen: dict[UUID, tuple[datetime | None, ...]] = {}
        while True:
            await asyncio.sleep(WATCH_POLL_SECONDS)
            if self.listening or not self._watchers:
                seen.clear()
                continue
            with self.outages.heeding("looking for changes"):
                now = await self._updates()
                for watched, changed_at in now.items():
                    if seen.get(watched) != changed_at:
                        self._wake(watched)
                seen = now

    async def _updates(self) -> dict[UUID, tuple[datetime | None, ...]]:
        ids = list(self._watchers)
        orders = select(Order.id, Order.updated_at).where(Order.id.in_(ids))
        keys = select(ApiKey.id, ApiKey.rotated_at, ApiKey.revoked_at).where(ApiKey.id.in_(ids))
        async with self._db.read() as session:
            rows = [*await session.execute(orders), *await session.execute(keys)]
        return {watched: tuple(changed_at) for watched, *changed_at in rows}

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
