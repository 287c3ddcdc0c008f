"""The feed: what happens to any order, as it is committed, to all who listen in this process.

One reader for all: it follows the events by their numbers, which follow the order of the commits, and is
woken by `Signals`. Who listens gets a bounded queue; who does not empty it is dropped, not waited for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from app.db.database import Database
from app.events.reading import BATCH, Happened, Interest, gone_through, look_on, newest_event, read_events
from app.events.types import EventType
from app.queue.pausing import pause
from app.queue.signals import Signals

BACKLOG_BATCH = 100
MOST_WAITING = 1000
# While PostgreSQL tells of other replicas' events, polling is only the backstop.
POLL_SECONDS = 0.5
BACKSTOP_POLL_SECONDS = 5.0
DATABASE_RETRY_SECONDS = 1.0
KEY_ENDS = frozenset({EventType.KEY_REVOKED, EventType.KEY_ROTATED})

log = structlog.get_logger()


class TooLateError(Exception):
    """The service stops, or the listener was too slow: it may come back for what it has missed."""


class Subscription:
    """What one listener gets from the feed: all that it is interested in after `begins_after`.

    It ends with the API key that it is of: nothing is heard that happened after the key was revoked or
    rotated. Whoever has a key that is still let in comes back with it.
    """

    def __init__(self, interest: Interest, begins_after: int, *, key_id: UUID | None = None) -> None:
        """Begin with nothing waiting."""
        self.interest = interest
        self.begins_after = begins_after
        self._key = None if key_id is None else str(key_id)
        self.ended = asyncio.Event()
        """Set when nothing more will come: whoever is stuck with what came before need not go on."""
        self._waiting: deque[Happened] = deque()
        self._wake = asyncio.Event()

    def offer(self, happened: Happened) -> bool:
        """Queue an event; a listener that is far behind is dropped. Return whether it was, by this event."""
        if self.ended.is_set():
            return False
        if happened.type in KEY_ENDS and happened.data.get("key") == self._key:
            self.end()
            return False
        if not self.interest.covers(happened):
            return False
        if len(self._waiting) >= MOST_WAITING:
            log.warning("slow_listener_dropped", waiting=MOST_WAITING)
            self.end()
            return True
        self._waiting.append(happened)
        self._wake.set()
        return False

    def end(self) -> None:
        """Have the listener end now."""
        self.ended.set()
        self._waiting.clear()
        self._wake.set()

    async def next(self, *, patience_seconds: float) -> Happened | None:
        """Return the next event, None if nothing happened for so long.

        Raises:
            TooLateError: there will be no more.
        """
        if not self._waiting:
            self._wake.clear()
            if not self.ended.is_set():
                await pause(patience_seconds, until=self._wake)
        if self.ended.is_set():
            raise TooLateError
        return self._waiting.popleft() if self._waiting else None


class Feed:
    """Reads events once and hands them to all who listen."""

    def __init__(self, db: Database, signals: Signals) -> None:
        """Prepare; `run` reads."""
        self._db = db
        self._signals = signals
        self._subscriptions: set[Subscription] = set()
        self._someone_listens = asyncio.Event()
        self._position = 0
        self.dropped = 0
        """How many listeners were dropped for being too slow."""

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._subscriptions)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Read while the block runs and someone listens."""
        reading = asyncio.create_task(self._read_on(), name="feed")
        stopping = asyncio.create_task(self._end_all_when_stopping())
        try:
            yield
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    async def _end_all_when_stopping(self) -> None:
        await self._signals.stopping.wait()
        for subscription in self._subscriptions:
            subscription.end()

    async def _read_on(self) -> None:
        while True:
            await self._someone_listens.wait()
            self._signals.events.clear()
            seconds = DATABASE_RETRY_SECONDS
            with self._db.outages.heeding("reading events"):
                while await self._read():
                    pass
                seconds = BACKSTOP_POLL_SECONDS if self._signals.listening else POLL_SECONDS
            await pause(seconds, until=self._signals.events)

    async def _read(self) -> bool:
        """Hand on a batch; tell whether there may be more."""
        async with self._db.read() as session:
            batch = await read_events(session, Interest(), after=self._position)
        for happened in batch:
            for subscription in self._subscriptions:
                if happened.id > subscription.begins_after:
                    self.dropped += subscription.offer(happened)
            self._position = happened.id
        return len(batch) == BATCH

    @asynccontextmanager
    async def subscribe(
        self, interest: Interest, *, key_id: UUID | None = None
    ) -> AsyncIterator[Subscription]:
        """Listen, from now on, while the block runs; `key_id` is the API key that is listened with."""
        async with self._db.read() as session:
            newest = await newest_event(session)
        if not self._subscriptions:
            # Nobody listened, so nothing was read: what is older than this is nobody's concern.
            self._position = max(self._position, newest)
        # The reader may be past `newest` by now. What it has handed to others is in the backlog of this one.
        subscription = Subscription(interest, max(newest, self._position), key_id=key_id)
        if self._signals.stopping.is_set():
            subscription.end()
        self._subscriptions.add(subscription)
        self._someone_listens.set()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions:
                self._someone_listens.clear()

    async def follow(
        self, subscription: Subscription, *, after: int | None, heartbeat_seconds: float
    ) -> AsyncGenerator[Happened | None]:
        """Yield what has happened since event `after` (None: since the subscription) and what happens.

        None is yielded whenever nothing has happened for `heartbeat_seconds`. Ends when the subscription
        does; whoever comes back with the last number misses nothing.
        """
        if after is not None:
            async for happened in self.backlog(subscription.interest, after, subscription.begins_after):
                yield happened
        with suppress(TooLateError):
            while True:
                yield await subscription.next(patience_seconds=heartbeat_seconds)

    async def backlog(self, interest: Interest, after: int, up_to: int) -> AsyncGenerator[Happened]:
        """Yield what has happened after event `after`, up to and with event `up_to`."""
        following: int | None = after
        while following is not None and following < up_to:
            after = following
            async with self._db.read() as session:
                batch, following = await look_on(
                    session, interest, after=after, up_to=up_to, limit=BACKLOG_BATCH
                )
                is_gone = await gone_through(session, interest) > after
            if is_gone:
                # It was pruned while this went on. Who comes back for it is told so.
                return
            for happened in batch:
                yield happened
