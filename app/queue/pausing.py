"""Waits that end early: for an event, and for no longer than so many seconds."""

import asyncio
from contextlib import suppress


async def pause(seconds: float, *, until: asyncio.Event) -> None:
    """Wait for `seconds`, or until the event is set if that comes first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()
