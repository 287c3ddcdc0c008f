"""Servers within a running event loop, for the demo (and for tests): several of them, no signals taken."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from app.server.protocol import TimedHeads

SHUTDOWN_SECONDS = 5
START_POLL_SECONDS = 0.01


class EmbeddedServer(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal."""
        yield


def listen(host: str, port: int, *, exactly: bool = False) -> socket.socket:
    """Return a listening socket on a port; if that is taken on any free one, unless `exactly` it is meant."""
    # asyncio turns Nagle's algorithm off only where the protocol is named: else answers wait for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        if exactly:
            raise
        listener.bind((host, 0))
    listener.listen(128)
    return listener


def address(listener: socket.socket) -> str:
    """Return the base URL of what listens on a socket."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[str]:
    """Serve `app`, lifespan included, while the block runs; yield its base URL.

    Raises:
        RuntimeError: the application did not start.
    """
    config = uvicorn.Config(
        app,
        http=TimedHeads,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = EmbeddedServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(START_POLL_SECONDS)
    if running.done():
        await running
        raise RuntimeError("the server did not start")
    try:
        yield address(listener)
    finally:
        server.should_exit = True
        await running
