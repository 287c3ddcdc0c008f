"""Which processes of the service live: each says so now and then, and whether its reconciler turns.

A row for each replica, written every 20 s, removed when it ends and forgotten a day after it was lost.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.db.models import Replica
from app.db.sharing import for_all
from app.db.upserts import insert_into
from app.queue.pausing import pause
from app.states import BEAT_SECONDS, Surroundings

FRESH_SECONDS = 5.0
LAST_SECONDS = 2.0
FORGOTTEN_AFTER = timedelta(days=1)


class Heartbeats:
    """This process's own, and what is known of the others'."""

    def __init__(self, db: Database, *, role: str, version: str, placing: bool = True) -> None:
        """Prepare; `run` begins to say that this process lives. `placing` tells whether orders are sent."""
        self._db = db
        self._id = uuid4()
        self.version = version
        self._values = {"role": role, "host": socket.gethostname()[:255], "version": version}
        self._placing = placing
        self._started_at: datetime | None = None
        self._known = Surroundings(datetime.now(UTC), placing)
        self._known_at = -FRESH_SECONDS
        self._works: Callable[[], bool] = lambda: False
        self._changed = asyncio.Event()
        self._is_ending = False

    def tell(self, works: Callable[[], bool]) -> None:
        """Say at once that this process works, and from now on whether it still does."""
        self._works = works
        self._changed.set()

    @asynccontextmanager
    async def run(self, is_migrated: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Say that this process lives while the block runs, once the database is migrated."""
        beating = asyncio.create_task(self._beat_until_end(is_migrated))
        try:
            yield
        finally:
            self._is_ending = True
            self._changed.set()
            # A beat that is under way ends by itself: what is cancelled while the driver's thread works for
            # it leaves that thread behind. One that waits for a database which is away is not waited for.
            await asyncio.wait([beating], timeout=LAST_SECONDS)
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await self._leave()

    async def _beat_until_end(self, is_migrated: Callable[[], Awaitable[bool]]) -> None:
        is_ready = False
        while not self._is_ending:
            self._changed.clear()
            with self._db.outages.heeding("heartbeat"):
                is_ready = is_ready or await is_migrated()
                if is_ready:
                    await self.beat()
            await pause(BEAT_SECONDS, until=self._changed)

    async def beat(self) -> None:
        """Write that this process lives, and forget those that were lost long ago."""
        async with self._db.write() as tx:
            self._started_at = self._started_at or tx.now
            changing = {"works": self._works(), "seen_at": tx.now}
            insert = insert_into(Replica, is_sqlite=self._db.is_sqlite)
            values = insert.values(id=self._id, started_at=self._started_at, **self._values, **changing)
            await tx.session.execute(values.on_conflict_do_update(index_elements=["id"], set_=changing))
            await tx.session.execute(delete(Replica).where(Replica.seen_at < tx.now - FORGOTTEN_AFTER))

    async def _leave(self) -> None:
        # A database that was away a moment ago is not waited for; the row is that of a replica that was lost.
        if self._started_at is None or self._db.outages.is_away:
            return
        with suppress(SQLAlchemyError, *DATABASE_AWAY):
            async with self._db.write() as tx:
                await tx.session.execute(delete(Replica).where(Replica.id == self._id))

    async def surroundings(self) -> Surroundings:
        """Return what bears on every order, as it was known a moment ago.

        While the database is away, that is as it was known last.
        """
        elapsed = time.monotonic() - self._known_at
        if elapsed >= FRESH_SECONDS:
            # At once, so that of many who ask one looks.
            self._known_at, elapsed = time.monotonic(), 0.0
            with for_all(), self._db.outages.heeding("looking for workers"):
                self._known = await self._look()
        now = self._known.now + timedelta(seconds=elapsed)
        seen_at = now if self._works() else self._known.worker_seen_at
        return Surroundings(now, self._placing, seen_at)

    async def _look(self) -> Surroundings:
        async with self._db.read() as session:
            now = await self._db.now(session)
            latest = select(func.max(Replica.seen_at)).where(Replica.works)
            return Surroundings(now, self._placing, (await session.execute(latest)).scalar_one())
