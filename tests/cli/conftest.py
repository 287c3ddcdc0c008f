"""Services that the commands talk to, in a thread of their own: the commands are no coroutines."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from app.server.embedded import serving
from app.server.listening import listen


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application while the block runs; yield its address."""
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()[:2]
    over = threading.Event()

    async def serve() -> None:
        async with serving(app, listener):
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield f"http://{host}:{port}"
    finally:
        over.set()
        thread.join()
