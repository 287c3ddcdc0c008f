"""The connections to a brand's API, which clients of many accounts share."""

import asyncio
import time
from importlib.metadata import version
from types import TracebackType
from typing import Self

import httpcore
import httpx

from app.network import Proxy, proxy_for, trust_store
from app.network.answers import ACCEPT_IDENTITY
from app.network.exchanges import Connection, Route

# More than there may be passes, each with a request: their account's concurrency bounds those, and an account
# that is slow must not keep the connections that another needs.
MOST_CONNECTIONS = 512
KEPT_OPEN = 20
KEEP_OPEN_SECONDS = 5.0
HEADERS = {
    "Accept": "application/json",
    ACCEPT_IDENTITY[0]: ACCEPT_IDENTITY[1],
    # What stands in between is to tell nothing of before: neither what an order was, nor what time it was.
    "Cache-Control": "no-cache",
    "User-Agent": f"presshook/{version('presshook')}",
}


class Pool:
    """Connections to one base URL, by one route."""

    def __init__(self, route: Route, *, most: int | None, kept: int) -> None:
        """Have at most so many at a time, None for any number, and keep so many that nobody uses."""
        self.route = route
        self._kept = kept
        self._room = None if most is None else asyncio.Semaphore(most)
        self._busy: set[Connection] = set()
        self._idle: list[tuple[float, Connection]] = []
        """With the time since which nobody uses it; the one that was used last is the last."""

    async def take(self, timeout_seconds: float) -> Connection:
        """Return a connection for one request, to be given back in any case.

        Raises:
            httpcore.PoolTimeout: none became free in so many seconds.
            httpcore.ConnectError, ...: as `Route.connect`, where each step may take as long.
        """
        if self._room is not None:
            await _acquire(self._room, timeout_seconds)
        try:
            connection = self._usable() or await self.route.connect(timeout_seconds)
        except BaseException:
            self._leave()
            raise
        self._busy.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        self._leave()
        self._busy.discard(connection)
        if not (self._kept and connection.may_serve):
            connection.close()
            return
        self._idle.append((time.monotonic(), connection))
        if len(self._idle) > self._kept:
            self._idle.pop(0)[1].close()

    def close(self) -> None:
        """Close all, and keep none any more."""
        self._kept = 0
        for connection in (*self._busy, *(connection for _, connection in self._idle)):
            connection.close()
        self._idle.clear()

    def _usable(self) -> Connection | None:
        expired_at = time.monotonic() - KEEP_OPEN_SECONDS
        while self._idle and self._idle[0][0] <= expired_at:
            self._idle.pop(0)[1].close()
        while self._idle:
            connection = self._idle.pop()[1]
            if connection.is_usable:
                return connection
            connection.close()
        return None

    def _leave(self) -> None:
        if self._room is not None:
            self._room.release()


async def _acquire(room: asyncio.Semaphore, timeout_seconds: float) -> None:
    if not room.locked():
        await room.acquire()
        return
    try:
        async with asyncio.timeout(timeout_seconds):
            await room.acquire()
    except TimeoutError:
        raise httpcore.PoolTimeout("no connection became free in time") from None


class Connections:
    """The connections of one process to CloudPress. No redirect is followed, no cookie kept."""

    def __init__(self) -> None:
        """Prepare; nothing connects yet.

        Raises:
            NetworkSettingsError: the environment names certificates that cannot be read.
        """
        self._tls = trust_store()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._pools: dict[tuple[str, Proxy | None, bool], Pool] = {}
        self.known_hosts: set[str] = set()
        """The base URLs where something has answered in CloudPress's own form."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # what is closed is gone once the loop has turned

    def reads(self, base_url: str) -> Pool:
        """Return connections that are kept for the next request.

        Raises:
            NetworkSettingsError: the environment names a proxy that cannot be used.
        """
        return self._pool(base_url, keep=True)

    def writes(self, base_url: str) -> Pool:
        """Return connections that serve one request each.

        A request on a kept connection that the server has just closed ends with an unknown outcome. A read
        is asked again; an order would have to be looked for.

        Raises:
            NetworkSettingsError: as `reads`.
        """
        return self._pool(base_url, keep=False)

    def secrets(self, base_url: str) -> tuple[str, ...]:
        """Return what of the environment is secret and on its way to a base URL: the proxy's password."""
        proxy = proxy_for(base_url)
        return () if proxy is None or proxy.credentials is None else (proxy.credentials[1],)

    def _pool(self, base_url: str, *, keep: bool) -> Pool:
        key = base_url, proxy_for(base_url), keep
        if key not in self._pools:
            url = httpx.URL(base_url)
            route = Route(url.scheme, url.raw_host.decode("ascii"), url.port, self._tls, proxy=key[1])
            most, kept = (MOST_CONNECTIONS, KEPT_OPEN) if keep else (None, 0)
            self._pools[key] = Pool(route, most=most, kept=kept)
        return self._pools[key]
