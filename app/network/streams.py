"""Connections for httpcore, whose answers are bounded, and of which everything that came in is at hand.

httpcore's own connections leave bytes in places that nobody can look into.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from app.network.answers import CodedError, NotAloneError, TooLargeError
from app.network.connecting import connect
from app.network.heads import HEAD_BYTES
from app.network.http1 import AnswerParser
from app.network.wire import PIECE_BYTES, Wire, told


class Stream(httpcore.AsyncNetworkStream):
    """One connection, as httpcore uses it; `received` is what was read since the last request was written."""

    def __init__(self, wire: Wire) -> None:
        """Read and write over `wire`, which is connected."""
        self._wire = wire
        self._left = HEAD_BYTES  # httpcore reads without end what may come before a head (1xx)
        self._is_asking = False
        self.received = bytearray()

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._wire.transport is not None  # noqa: S101 - it is connected
        return self._wire.transport

    @property
    def wire(self) -> Wire:
        """The connection itself."""
        return self._wire

    async def has_more(self) -> bool:
        """Tell whether something has come that was not read."""
        await self._wire.settle()
        return bool(self._wire.buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        """Return what came, nothing if it has ended.

        Raises:
            httpcore.RemoteProtocolError: more came than is taken.
        """
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer has more in it than is taken")
        try:
            async with asyncio.timeout(timeout):
                # A turn for others, even where more is at hand than anybody can read.
                await asyncio.sleep(0)
                await self._wire.come()
        except TimeoutError:
            if not self._wire.buffer:
                raise httpcore.ReadTimeout("no answer in time") from None
        if not self._wire.buffer and self._wire.error is not None:
            raise httpcore.ReadError(told(self._wire.error))
        self._is_asking = False
        piece = self._wire.take(min(max_bytes, PIECE_BYTES))
        self._left -= len(piece)
        self.received += piece
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        """Send bytes.

        Raises:
            httpcore.RemoteProtocolError: something had come before the request began.
        """
        if not self._is_asking:
            self._is_asking, self._left, self.received = True, HEAD_BYTES, bytearray()
            if await self.has_more():
                raise httpcore.RemoteProtocolError("an answer came before the request")
        if self._wire.error is not None or self._transport.is_closing():
            raise httpcore.WriteError("the connection is closed")
        self._transport.write(buffer)
        try:
            async with asyncio.timeout(timeout):
                await self._wire.sent()
        except TimeoutError:
            raise httpcore.WriteTimeout("the request could not be sent in time") from None

    async def aclose(self) -> None:
        """Close at once. What was not sent yet never will be."""
        self._wire.abort()
        await asyncio.sleep(0)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
    ) -> "Stream":
        """Return the same connection, encrypted; the other side's certificate was checked."""
        if self._wire.has_ended:
            raise httpcore.ConnectError("the connection was closed before encryption began")
        loop = asyncio.get_running_loop()
        wire = Wire()
        try:
            async with asyncio.timeout(timeout):
                wire.transport = await loop.start_tls(
                    self._transport, wire, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            await self.aclose()
            raise httpcore.ConnectTimeout("no encryption in time") from error
        except OSError as error:  # an SSLError is one
            await self.aclose()
            raise httpcore.ConnectError(told(error)) from error
        except BaseException:
            await self.aclose()
            raise
        if wire.transport is None:
            await self.aclose()
            raise httpcore.ConnectError("the connection was closed while encryption began")
        return Stream(wire)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's interface
        """Return what httpcore asks for."""
        match info:
            case "is_readable":
                return self._wire.is_readable()
            case "server_addr":
                return self._transport.get_extra_info("peername")
            case "client_addr":
                return self._transport.get_extra_info("sockname")
            case "ssl_object" | "socket":
                return self._transport.get_extra_info(info)
        return None


class Backend(httpcore.AsyncNetworkBackend):
    """Makes such connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Stream:
        """Connect; of several addresses of a name to the first that answers, IPv6 a little sooner."""
        try:
            async with asyncio.timeout(timeout):
                wire = await connect(Wire, host, port, local_address=local_address)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(told(error)) from error
        stream = Stream(wire)
        for option in socket_options or ():
            stream.get_extra_info("socket").setsockopt(*option)
        return stream

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Stream:
        """Refuse."""
        raise httpcore.UnsupportedProtocol("sockets in the file system are not used")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def is_alone(answer: httpcore.Response) -> bool:
    """Tell whether nothing came after an answer to a POST that was read. If not, its connection is closed.

    Else the rest would be taken for the answer to whatever is asked there next.
    """
    stream = answer.extensions["network_stream"]
    if answer.status == 101:
        return True
    assert isinstance(stream, Stream)  # noqa: S101 - of our own backend
    if not (await stream.has_more() or _has_trailing(bytes(stream.received))):
        return True
    await stream.aclose()
    return False


def _has_trailing(received: bytes) -> bool:
    """Tell whether more came than the answer that the bytes begin with, or it cannot be told."""
    try:
        AnswerParser(most=len(received)).feed(received)
    except (TooLargeError, CodedError, NotAloneError, httpcore.RemoteProtocolError):
        return True
    return False
