"""Connections whose answers are bounded, and of which everything that came in is at hand.

httpcore's own connections leave bytes in places that nobody can look into. Here whatever the other side has
sent is in one buffer as soon as the event loop turns: an answer that came before its time was up can still be
read, and a connection on which more came than was asked for is not used again. Else the rest of one answer
would be taken for the answer to the next request.
"""

import asyncio
import select
import ssl
from collections.abc import Iterable
from typing import Any, cast

import httpcore

from app.network.connecting import connect

# The head of an answer, with all that may come before it (1xx), which httpcore reads without end.
HEAD_BYTES = 64 * 1024
# How much is taken apart at once: other work of the process gets its turn in between.
PIECE_BYTES = 8 * 1024
# How much may lie unread before the other side has to wait.
BUFFER_BYTES = 256 * 1024


class Wire(asyncio.Protocol):
    """What came in over one connection and has not been read."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.buffer = bytearray()
        self.has_ended = False
        self.error: Exception | None = None
        self.transport: asyncio.Transport | None = None
        self._came = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self.buffer += data
        if len(self.buffer) > BUFFER_BYTES and self.transport is not None:
            self.transport.pause_reading()
        self._came.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Wake who waits for more, or to send more."""
        self.has_ended, self.error = True, error
        self._came.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        """Hold who writes."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let him go on."""
        self._may_write.set()

    def eof_received(self) -> None:
        """Know that no more will come; what is still to be sent goes out before the connection closes."""
        self.has_ended = True
        self._came.set()

    async def come(self) -> None:
        """Wait until something is there, or nothing will come any more."""
        while not self.buffer and not self.has_ended:
            self._came.clear()
            await self._came.wait()

    async def sent(self) -> None:
        """Wait until what was written is on its way."""
        await self._may_write.wait()

    def take(self, most: int) -> bytes:
        """Return what came, at most so many bytes of it."""
        piece = bytes(self.buffer[:most])
        del self.buffer[:most]
        if len(self.buffer) <= BUFFER_BYTES and self.transport is not None and not self.has_ended:
            self.transport.resume_reading()
        return piece


class Stream(httpcore.AsyncNetworkStream):
    """One connection, as httpcore uses it; `received` is what was read since the last request was written."""

    def __init__(self, wire: Wire) -> None:
        """Read and write over `wire`, which is connected."""
        self._wire = wire
        self._left = HEAD_BYTES
        self._is_asking = False
        self.received = bytearray()

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._wire.transport is not None  # noqa: S101 - it is connected
        return self._wire.transport

    def expect(self, body_bytes: int) -> None:
        """Take so many bytes more, now that the head has come."""
        self._left += body_bytes

    async def has_more(self) -> bool:
        """Tell whether something has come that was not read."""
        # The first turn finds out what has come, the second one hands it over.
        for _ in range(2):
            await asyncio.sleep(0)
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
            raise httpcore.ReadError(_told(self._wire.error))
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
        self._wire.has_ended = True
        self._transport.abort()
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
            raise httpcore.ConnectError(_told(error)) from error
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
                return self._is_readable()
            case "server_addr":
                return self._transport.get_extra_info("peername")
            case "client_addr":
                return self._transport.get_extra_info("sockname")
            case "ssl_object" | "socket":
                return self._transport.get_extra_info(info)
        return None

    def _is_readable(self) -> bool:
        """Tell whether something came, or the end; while no request is under way, either is wrong."""
        if self._wire.buffer or self._wire.has_ended or self._transport.is_closing():
            return True
        # What has come since the loop turned last.
        number = self._transport.get_extra_info("socket").fileno()
        if number < 0:
            return True
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))


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
            raise httpcore.ConnectError(_told(error)) from error
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


def _told(error: Exception) -> str:
    """Say what an error of the system says, in one short line."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
