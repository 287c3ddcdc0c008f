"""uvicorn's server with our protocol and with a watch over all connections."""

import asyncio
import socket
import time
from contextlib import suppress
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from app.server.crowd import STUCK_WHILE_ENDING_SECONDS, Crowd
from app.server.protocol import HttpConnection

PARTING_POLL_SECONDS = 0.02


class FairServer(uvicorn.Server):
    """A server that lets no client slow down the others, and that ends without those who do not read."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        ending_seconds: int,
        parting_seconds: int = 0,
        trusted_proxies: str | None = None,
    ) -> None:
        """Serve `app`; when it ends, open requests have `ending_seconds`.

        Of these, connections that wait for a request have `parting_seconds` in which one may still come.
        Nobody but `trusted_proxies` (addresses and networks, comma-separated) is believed for whom he asks.
        """
        self.crowd = Crowd()
        self._connect = partial(HttpConnection, crowd=self.crowd)
        self._watching: asyncio.Task[None] | None = None
        self._parting_seconds = parting_seconds
        super().__init__(
            uvicorn.Config(
                app,
                http=self._connect,  # type: ignore[arg-type]  # is called, no more
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=ending_seconds - parting_seconds,
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
            await self._part(sockets or [])
            await super().shutdown(sockets)
        finally:
            if self._watching is not None:
                self._watching.cancel()

    async def _part(self, listeners: list[socket.socket]) -> None:
        """Take no more connections, and for a while answer what comes on those that there are, once each.

        A proxy keeps connections, and may just have sent a request on one that waits for none here, or on one
        that only the kernel has taken. Closed at once, they would lose it, and no proxy sends a `POST` again.
        """
        self.crowd.is_parting = True
        # Nothing is awaited between the last look at what the kernel holds and the end of listening.
        waiting = [accepted for listener in listeners for accepted in _accept_all(listener)]
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        connect = partial(self._connect, self.config, self.server_state, self.lifespan.state)
        until = time.monotonic() + self._parting_seconds
        for accepted in waiting:
            # Each answer may take its time, and there may be thousands: the rest goes unanswered.
            if self.force_exit or time.monotonic() > until:
                accepted.close()
                continue
            with suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(connect, accepted)
        while self.server_state.connections and not self.force_exit and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(PARTING_POLL_SECONDS)


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    accepted = []
    with suppress(OSError):  # there is none any more, or there are too many open files
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)  # noqa: FBT003
            accepted.append(connection)
    return accepted
