"""Leaves connections to others: no API key reads with all that a process has."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.engine import POOL_SIZE, POOL_WAIT_SECONDS
from app.db.errors import CrowdedError

KEPT_FOR_OTHERS = 2
"""Connections that no key takes for reading: authentication, readiness and other keys' requests go on."""

reader: ContextVar[str | None] = ContextVar("reader", default=None)
"""Whose request is served, by the identity of its key; None is the service itself."""


@contextmanager
def for_all() -> Iterator[None]:
    """Read for everybody, whoever asked first: nothing of what he does holds that up."""
    token = reader.set(None)
    try:
        yield
    finally:
        reader.reset(token)


@dataclass
class _Share:
    """What one key may have at a time."""

    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(POOL_SIZE - KEPT_FOR_OTHERS))
    wanted: int = 0


class Sharing:
    """Has the reads of one key wait for each other."""

    def __init__(self, is_away: Callable[[], bool]) -> None:
        """Begin with nobody reading; `is_away` tells whether the database was away a moment ago."""
        self._shares: dict[str, _Share] = {}
        self._is_away = is_away

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the key that is served may have one more connection, as long as for one of the pool.

        Raises:
            CrowdedError: it had all that it may for so long.
            PoolTimeout: so it had, because the database answers nobody.
        """
        identity = reader.get()
        if identity is None:
            yield
            return
        share = self._shares.setdefault(identity, _Share())
        share.wanted += 1
        try:
            await self._wait(share)
            try:
                yield
            finally:
                share.free.release()
        finally:
            share.wanted -= 1
            if not share.wanted:
                del self._shares[identity]

    async def _wait(self, share: _Share) -> None:
        try:
            async with asyncio.timeout(POOL_WAIT_SECONDS):
                await share.free.acquire()
        except TimeoutError:
            if self._is_away():
                raise PoolTimeout("what a key reads waits for a database that is away") from None
            raise CrowdedError("one key reads as much at once as it may") from None
