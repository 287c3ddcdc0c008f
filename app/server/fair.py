"""uvicorn's server with our protocol and with a watch over all connections."""

import asyncio
import socket
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from app.server.crowd import STUCK_WHILE_ENDING_SECONDS, Crowd
from app.server.protocol import HttpConnection


class FairServer(uvicorn.Server):
    """A server that lets no client slow down the others, and that ends without those who do not read."""

    def __init__(self, app: ASGIApp, *, ending_seconds: int, trusted_proxies: str | None = None) -> None:
        """Serve `app`; when it ends, open requests have `ending_seconds`.

        Nobody but `trusted_proxies` (addresses and networks, comma-separated) is believed for whom he asks.
        """
        self.crowd = Crowd()
        self._watching: asyncio.Task[None] | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(HttpConnection, crowd=self.crowd),  # type: ignore[arg-type]  # is called, no more
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=ending_seconds,
                proxy_headers=trusted_proxies is not None,
                forwarded_allow_ips=trusted_proxies or "",
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve and to watch."""
        await super().startup(sockets)
        self._watching = asyncio.create_task(self.crowd.watch(), name="watch connections")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and wait for no client that does not read what it was sent."""
        self.crowd.stuck_seconds = STUCK_WHILE_ENDING_SECONDS
        try:
            await super().shutdown(sockets)
        finally:
            if self._watching is not None:
                self._watching.cancel()
