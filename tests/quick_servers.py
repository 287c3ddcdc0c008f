"""Servers within a test that begin and end at once: uvicorn looks ten times a second whether it is to end.

Each test that has a service and a sandbox would wait for that several times. What is looked for is the same.
"""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import uvicorn.server

from app.server import embedded

TICK_SECONDS = 0.1
"""How often uvicorn sets the date that it tells."""
LOOK_SECONDS = 0.002


class QuickServer(embedded.EmbeddedServer):
    """A server that hears at once that it is to end."""

    _end: asyncio.Event | None = None

    @property
    def should_exit(self) -> bool:
        """Whether it is to end."""
        return self._end is not None and self._end.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._end = self._end or asyncio.Event()
        if value:
            self._end.set()

    async def main_loop(self) -> None:
        """Tick as uvicorn does, until it is to end."""
        assert self._end is not None
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._end.wait()


class Soon:
    """What uvicorn's server has of asyncio: to sleep means to look again soon."""

    def __getattr__(self, name: str) -> Any:
        """Return what asyncio has."""
        return getattr(asyncio, name)

    async def sleep(self, _seconds: float) -> None:
        """Let others go on."""
        await asyncio.sleep(LOOK_SECONDS)


def serve_quickly(patches: pytest.MonkeyPatch) -> None:
    """Have every embedded server begin and end at once, until the patches are undone."""
    patches.setattr(embedded, "EmbeddedServer", QuickServer)
    patches.setattr(embedded, "START_POLL_SECONDS", LOOK_SECONDS)
    patches.setattr(uvicorn.server, "asyncio", Soon())
