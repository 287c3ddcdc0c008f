"""Connections on which one request after the other is asked and answered, and the way to make one.

They fail as httpcore's do, by its exceptions. Timeouts other than those of connecting are the caller's.
"""

import asyncio
import base64
import ssl
from dataclasses import dataclass, field

import httpcore

from app.network.heads import Head, HeadReader
from app.network.http1 import AnswerParser
from app.network.proxies import PORTS, Proxy
from app.network.streams import Backend
from app.network.wire import PIECE_BYTES, Wire, told


class Connection:
    """A connection that serves one request at a time."""

    def __init__(self, wire: Wire) -> None:
        """Ask over `wire`, which is connected and on which nothing was asked yet."""
        self._wire = wire
        self._is_fresh = True
        self.may_serve = False
        """Whether it can serve another request, as far as the last answer says."""

    @property
    def is_usable(self) -> bool:
        """Whether it can serve another request, and nothing has come since the last one, not even its end."""
        return self.may_serve and not self._wire.is_readable()

    async def settle(self) -> None:
        """Have a new connection be ready to be asked on. One that `is_usable` needs no time for that.

        Raises:
            httpcore.RemoteProtocolError: an answer came before the request.
            httpcore.ConnectError: it has ended.
        """
        if not self._is_fresh:
            return
        self._is_fresh = False
        await self._wire.settle()
        if self._wire.buffer:
            raise httpcore.RemoteProtocolError("an answer came before the request")
        if self._wire.has_ended:
            raise httpcore.ConnectError("the connection was closed before the request")

    def send(self, request: bytes) -> None:
        """Send a request. It goes out while its answer is waited for."""
        assert self._wire.transport is not None  # noqa: S101 - it is connected
        self.may_serve = False
        self._wire.transport.write(request)

    async def receive(self, answer: AnswerParser) -> None:
        """Have `answer` take all of an answer, which has to be the only one.

        Raises:
            TooLargeError, CodedError, NotAloneError: as `AnswerParser.feed`.
            httpcore.ReadError, httpcore.RemoteProtocolError: it did not come whole, or is malformed.
        """
        wire = self._wire
        while not answer.is_whole:
            piece = await next_piece(wire)
            if piece:
                answer.feed(piece)
            else:
                answer.end()
        if not wire.has_ended:
            await wire.settle()
        if wire.buffer:
            answer.feed(wire.take(len(wire.buffer)))
        self.may_serve = answer.keeps_open

    def close(self) -> None:
        """Close at once."""
        self.may_serve = False
        self._wire.abort()


async def next_piece(wire: Wire) -> bytes:
    """Return some of what came, nothing if it has ended; others get a turn before the next piece.

    Raises:
        httpcore.ReadError: the connection broke.
    """
    await wire.come()
    if not wire.buffer and wire.error is not None:
        raise httpcore.ReadError(told(wire.error))
    piece = wire.take(PIECE_BYTES)
    if wire.buffer:
        await asyncio.sleep(0)
    return piece


@dataclass(frozen=True)
class Route:
    """The way to a server: straight, or through a proxy, which is asked for a tunnel to one that speaks TLS.

    `host` is as in a URL, without brackets.
    """

    scheme: str
    host: str
    port: int | None
    tls: ssl.SSLContext = field(repr=False)
    proxy: Proxy | None = None

    @property
    def authority(self) -> str:
        """The host, and the port if one is named, as they stand in a request."""
        return self._shown_host if self.port is None else f"{self._shown_host}:{self.port}"

    @property
    def is_handed_on(self) -> bool:
        """Whether a proxy reads the requests itself, and sends them on."""
        return self.proxy is not None and self.scheme == "http"

    @property
    def proxy_fields(self) -> list[tuple[str, str]]:
        """What a proxy is told beside the request."""
        if self.proxy is None or self.proxy.credentials is None:
            return []
        coded = base64.b64encode(":".join(self.proxy.credentials).encode()).decode()
        return [("Proxy-Authorization", f"Basic {coded}")]

    async def connect(self, timeout_seconds: float) -> Connection:
        """Return a new connection. Each step of making it may take so long, the proxy's answer any time.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ReadError, httpcore.RemoteProtocolError,
            httpcore.ProxyError: there is none.
        """
        if self.proxy is None:
            stream = await Backend().connect_tcp(self.host, self._port, timeout_seconds)
        else:
            stream = await Backend().connect_tcp(self.proxy.host, self.proxy.port, timeout_seconds)
            if self.proxy.scheme == "https":
                stream = await stream.start_tls(self.tls, self.proxy.host, timeout_seconds)
            if not self.is_handed_on:
                await self._tunnel(stream.wire)
        if self.scheme == "https":
            stream = await stream.start_tls(self.tls, self.host, timeout_seconds)
        return Connection(stream.wire)

    async def _tunnel(self, wire: Wire) -> None:
        """Have the proxy connect to the server."""
        target = f"{self._shown_host}:{self._port}"
        told_fields = [("Host", target), ("Accept", "*/*"), *self.proxy_fields]
        lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told_fields)]
        try:
            assert wire.transport is not None  # noqa: S101 - it is connected
            wire.transport.write("\r\n".join([*lines, "\r\n"]).encode("ascii"))
            head, rest = await _read_head(wire)
        except BaseException:
            wire.abort()
            raise
        if not 200 <= head.status < 300:
            wire.abort()
            raise httpcore.ProxyError(f"{head.status} {head.reason.decode('ascii', errors='ignore')}")
        if rest or wire.buffer:
            wire.abort()
            raise httpcore.RemoteProtocolError("the proxy said more than that it has connected")

    @property
    def _shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def _port(self) -> int:
        return self.port or PORTS[self.scheme]


async def _read_head(wire: Wire) -> tuple[Head, bytes]:
    """Return the head of an answer, and what came with it of what follows."""
    reader = HeadReader()
    while (head := reader.read()) is None:
        piece = await next_piece(wire)
        if not piece:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        reader.buffer += piece
    return head, bytes(reader.buffer)
