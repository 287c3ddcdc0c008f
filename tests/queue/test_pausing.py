"""Waits that end early."""

import asyncio

from app.queue.pausing import pause

LONG_SECONDS = 3600.0


async def test_an_event_ends_a_pause() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await pause(LONG_SECONDS, until=event)
    assert event.is_set()


async def test_without_its_event_a_pause_ends_by_itself() -> None:
    event = asyncio.Event()
    await pause(0.001, until=event)
    assert not event.is_set()
