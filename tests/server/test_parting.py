"""The end of a server: a request that is on its way when it comes is answered, and not lost."""

import asyncio
import socket
from contextlib import ExitStack, suppress
from types import SimpleNamespace

import pytest

from app.server import fair
from app.server.embedded import EmbeddedServer
from app.server.listening import listen
from tests.harness import PATIENCE_SECONDS, eventually
from tests.server.conftest import Answering

PARTING_SECONDS = 60
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Ending(EmbeddedServer):
    """A server that is sent a request on each of some connections just before it ends."""

    def __init__(self, app: Answering, late: list[socket.socket]) -> None:
        # Longer than the test waits: where there is nothing left to wait for, it ends sooner.
        super().__init__(app, ending_seconds=2 * PARTING_SECONDS, parting_seconds=PARTING_SECONDS)
        self._late = late

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Without a turn of the loop in between: the kernel has taken them, and the server has seen none.
        for client in self._late:
            if sockets and client.getsockname()[1] == 0:
                client.connect(sockets[0].getsockname())
            client.sendall(REQUEST)
        await super().shutdown(sockets)


def read(client: socket.socket) -> bytes:
    """Return all that is sent until the connection is closed."""
    return b"".join(iter(lambda: client.recv(4096), b""))


def ended(client: socket.socket) -> bool:
    """Tell whether the connection ends, with an answer or without."""
    with suppress(ConnectionResetError):
        read(client)
    return True


async def test_what_is_on_its_way_is_answered_before_the_connection_ends(application: Answering) -> None:
    listener = listen("127.0.0.1", 0)
    with ExitStack() as opened:
        kept, new, silent = (opened.enter_context(socket.socket()) for _ in range(3))
        for client in (kept, new, silent):
            client.settimeout(PATIENCE_SECONDS)
        server = Ending(application, [kept, new])
        running = asyncio.create_task(server.serve(sockets=[listener]))

        async def is_started() -> bool:
            return server.started

        await eventually(is_started, bool)
        there = listener.getsockname()
        await asyncio.to_thread(kept.connect, there)
        kept.sendall(REQUEST)
        assert b"connection: close" not in await asyncio.to_thread(kept.recv, 4096)
        server.should_exit = True
        for client in (kept, new):
            answer = await asyncio.to_thread(read, client)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer, "so that a proxy sends no other one on it"
        await asyncio.wait_for(running, PATIENCE_SECONDS)
        assert silent.connect_ex(there), "none is taken any more"


async def test_what_the_kernel_holds_makes_the_end_no_longer_however_much_it_is(
    application: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each request takes a quarter of the time that there is.
    elapsed = SimpleNamespace(monotonic=lambda: len(application.asked) * PARTING_SECONDS / 4)
    monkeypatch.setattr(fair, "time", elapsed)
    listener = listen("127.0.0.1", 0)
    there = listener.getsockname()
    with ExitStack() as opened:
        late = [opened.enter_context(socket.socket()) for _ in range(20)]
        server = Ending(application, late)
        server.should_exit = True
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.wait_for(running, PATIENCE_SECONDS)
        assert server.started
        assert 0 < len(application.asked) < len(late) / 2
        with socket.socket() as after:
            assert after.connect_ex(there), "none is taken any more"
        for client in late:
            client.settimeout(PATIENCE_SECONDS)
            assert await asyncio.to_thread(ended, client)
