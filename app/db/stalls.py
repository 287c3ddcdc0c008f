"""Cuts connections on which PostgreSQL has ceased to answer: whoever waits there would wait for ever.

A server that stands still (a machine that swaps, a disk that hangs, a proxy that passes nothing on) keeps its
connections open, and the system acknowledges for it what it is sent. So nothing but the time tells.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary, finalize

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from app.db.engine import driver_of

LOOK_SECONDS = 1.0
# How many looks may find a connection in one and the same use: longer than anybody waits for locks, shorter
# than CloudPress waits for the answer to a callback. Looks are counted, and no time: a process that stood
# still has waited for nobody.
MOST_LOOKS = 20
# The same of a process that is to end within ten seconds, of looks since then.
MOST_LOOKS_WHILE_ENDING = 3

log = structlog.get_logger()


@dataclass
class _Held:
    """A connection, by a socket of our own: its number is no other connection's while it is cut."""

    socket: socket.socket
    looks: int | None = 0
    """How many looks have found it in the same use; None while nobody uses it."""


class Stalls:
    """What is known of the connections of one process."""

    def __init__(self) -> None:
        """Begin without any."""
        # One that fails while it is made is never told to be closed.
        self._held: WeakKeyDictionary[ConnectionPoolEntry, _Held] = WeakKeyDictionary()

    def heed(self, engine: Engine) -> None:
        """Keep watch over the connections of an engine, from before their first statement on."""
        event.listen(engine, "connect", self._hold, insert=True)
        event.listen(engine, "checkout", self._begin, insert=True)
        event.listen(engine, "checkin", self._end)
        event.listen(engine, "close", self._forget)

    @asynccontextmanager
    async def watching(self, ending: asyncio.Event) -> AsyncIterator[None]:
        """Cut what does not answer while the block runs, sooner once `ending` is set."""
        watching = asyncio.create_task(self._watch(ending), name="watch for stalls")
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            self._look(MOST_LOOKS)
            await asyncio.sleep(LOOK_SECONDS)
        # From here on: who waits for a lock has not waited too long because the process is to end.
        for held, _ in self._in_use():
            held.looks = 0
        while True:
            self._look(MOST_LOOKS_WHILE_ENDING)
            await asyncio.sleep(LOOK_SECONDS)

    def _in_use(self) -> Iterator[tuple[_Held, int]]:
        # A copy that is made in one step, and each number is read once: connections in threads come and go.
        for reference in self._held.keyrefs():
            entry = reference()
            held = None if entry is None else self._held.get(entry)
            if held is not None and (looks := held.looks) is not None:
                yield held, looks

    def _look(self, most: int) -> None:
        cut = 0
        for held, looks in self._in_use():
            held.looks = looks + 1
            if looks + 1 >= most:
                held.looks = None
                cut += 1
                # Whoever waits for it, on the event loop or in a thread, is told by the driver.
                with suppress(OSError):
                    held.socket.shutdown(socket.SHUT_RDWR)
        if cut:
            seconds = most * LOOK_SECONDS
            log.warning("database_silent", connections=cut, detail=f"no answer within {seconds:.0f} s: cut")

    def _hold(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        driver = driver_of(connection)
        held = _Held(socket.socket(fileno=socket.dup(driver.pgconn.socket)))
        finalize(driver, held.socket.close)
        self._held[entry] = held

    def _begin(
        self, _connection: DBAPIConnection, entry: ConnectionPoolEntry, _use: PoolProxiedConnection
    ) -> None:
        self._note(entry, 0)

    def _end(self, _connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        self._note(entry, None)

    def _note(self, entry: ConnectionPoolEntry, looks: int | None) -> None:
        held = self._held.get(entry)
        if held is not None:
            held.looks = looks

    def _forget(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        held = self._held.pop(entry, None)
        if held is not None:
            held.socket.close()
