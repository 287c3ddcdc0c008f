"""The connections to a brand's API, which clients of many accounts share."""

from importlib.metadata import version
from types import TracebackType
from typing import Self

import httpcore

from app.network import Proxy, proxy_for, trust_store
from app.network.answers import ACCEPT_IDENTITY
from app.network.streams import Backend

MOST_CONNECTIONS = 100
KEPT_OPEN = 20
KEEP_OPEN_SECONDS = 5.0
HEADERS = {
    "Accept": "application/json",
    ACCEPT_IDENTITY[0]: ACCEPT_IDENTITY[1],
    "User-Agent": f"presshook/{version('presshook')}",
}


class Connections:
    """The connections of one process to CloudPress. No redirect is followed, no cookie kept."""

    def __init__(self) -> None:
        """Prepare; nothing connects yet.

        Raises:
            NetworkSettingsError: the environment names certificates that cannot be read.
        """
        self._tls = trust_store()
        self._pools: dict[tuple[Proxy | None, bool], httpcore.AsyncConnectionPool] = {}
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
            await pool.aclose()

    def reads(self, base_url: str) -> httpcore.AsyncConnectionPool:
        """Return connections that are kept for the next request.

        Raises:
            NetworkSettingsError: the environment names a proxy that cannot be used.
        """
        return self._pool(base_url, keep=True)

    def writes(self, base_url: str) -> httpcore.AsyncConnectionPool:
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

    def _pool(self, base_url: str, *, keep: bool) -> httpcore.AsyncConnectionPool:
        key = proxy_for(base_url), keep
        if key not in self._pools:
            self._pools[key] = self._new_pool(*key)
        return self._pools[key]

    def _new_pool(self, proxy: Proxy | None, keep: bool) -> httpcore.AsyncConnectionPool:  # noqa: FBT001 - a key
        most, kept = (MOST_CONNECTIONS, KEPT_OPEN) if keep else (None, 0)
        if proxy is None:
            return httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=most,
                max_keepalive_connections=kept,
                keepalive_expiry=KEEP_OPEN_SECONDS,
                network_backend=Backend(),
            )
        return httpcore.AsyncHTTPProxy(
            proxy.url,
            proxy_auth=proxy.credentials,
            ssl_context=self._tls,
            proxy_ssl_context=self._tls if proxy.scheme == "https" else None,
            max_connections=most,
            max_keepalive_connections=kept,
            keepalive_expiry=KEEP_OPEN_SECONDS,
            network_backend=Backend(),
        )
