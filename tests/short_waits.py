"""Waits for PostgreSQL that look at the socket first: most answers are there before an event loop could turn.

The driver has the event loop watch the socket for every single answer, which costs several times what the
server needs for it. Where nothing else could run meanwhile, nobody is kept waiting by a short look.

A loop whose time is virtual waits as the driver does: there it is drawn who goes on first.
"""

import asyncio
import select
from collections.abc import Generator
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg.waiting import Ready, Wait

from tests.simulation.loop import VirtualLoop

LOOK_MILLISECONDS = 2
LOOKS = 16
"""After so many the event loop turns once: who asks again and again would let nobody hear of a socket."""
_FLAGS = {
    Wait.R: select.POLLIN,
    Wait.W: select.POLLOUT,
    Wait.RW: select.POLLIN | select.POLLOUT,
}
Waiting = Generator[Any, Any, Any]
_wait = psycopg.AsyncConnection.wait
_looks = count(1)


async def wait_shortly(
    self: psycopg.AsyncConnection[Any],
    gen: Waiting,
    interval: float = 0.1,
    timeout: float | None = None,  # noqa: ASYNC109 - the driver's own signature
) -> Any:
    """Run `gen` as far as the server answers at once, and the rest of it as the driver does."""
    if next(_looks) % LOOKS == 0:
        await asyncio.sleep(0)
    if timeout is not None or isinstance(asyncio.get_running_loop(), VirtualLoop) or _is_anything_ready():
        return await _wait(self, gen, interval, timeout)
    descriptor = self.pgconn.socket
    try:
        asked = next(gen)
        while found := _look(descriptor, asked):
            asked = gen.send(found)
    except StopIteration as end:
        return end.value
    return await _wait(self, _resumed(gen, asked), interval, timeout)


def _is_anything_ready() -> bool:
    """Tell whether others can run now: then all goes on in the order that it has without this."""
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    # Of a socket that was watched until now the loop keeps what it will not call any more.
    return ready is None or not all(handle.cancelled() for handle in ready)


def _look(descriptor: int, asked: Wait) -> int:
    """Return what a socket is ready for, waiting a moment; nothing, if that is the event loop's matter."""
    poll = select.poll()
    poll.register(descriptor, _FLAGS[asked])
    found = 0
    for _, flags in poll.poll(LOOK_MILLISECONDS):
        if flags & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            return 0
        found |= Ready.R if flags & select.POLLIN else 0
        found |= Ready.W if flags & select.POLLOUT else 0
    return found


def _resumed(gen: Waiting, asked: Wait) -> Waiting:
    """Go on with what has been begun, from what it asks for."""
    while True:
        found = yield asked
        try:
            asked = gen.send(found)
        except StopIteration as end:
            return end.value


def wait_shortly_first(patches: pytest.MonkeyPatch) -> None:
    """Have every asynchronous connection look first, until the patches are undone."""
    patches.setattr(psycopg.AsyncConnection, "wait", wait_shortly)
