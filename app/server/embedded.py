"""Servers within a running event loop, for the demo (and for tests): several of them, no signals taken."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from starlette.types import ASGIApp

from app.server.fair import FairServer
from app.server.listening import address

SHUTDOWN_SECONDS = 5
START_POLL_SECONDS = 0.01


class EmbeddedServer(FairServer):
    """A server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal."""
        yield


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[str]:
    """Serve `app`, lifespan included, while the block runs; yield its base URL.

    Raises:
        RuntimeError: the application did not start.
    """
    url = address(listener)
    server = EmbeddedServer(app, ending_seconds=SHUTDOWN_SECONDS)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(START_POLL_SECONDS)
    if running.done():
        await running
        raise RuntimeError("the server did not start")
    try:
        yield url
    finally:
        server.should_exit = True
        await running
