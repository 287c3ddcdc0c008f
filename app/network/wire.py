"""One connection: of what came in over it, everything that was not read yet is at hand.

Whatever the other side has sent is in one buffer as soon as the event loop turns: an answer that came before
its time was up can still be read, and a connection on which more came than was asked for is not used again.
Else the rest of one answer would be taken for the answer to the next request.
"""

import asyncio
import select
from typing import cast

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
        self._is_paused = False
        self._came = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self.buffer += data
        if len(self.buffer) > BUFFER_BYTES and self.transport is not None and not self._is_paused:
            self._is_paused = True
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
        if self._is_paused and len(self.buffer) <= BUFFER_BYTES:
            self._is_paused = False
            if self.transport is not None and not self.has_ended:
                self.transport.resume_reading()
        return piece

    async def settle(self) -> None:
        """Have everything that has come be in the buffer."""
        # The first turn finds out what has come, the second one hands it over.
        for _ in range(2):
            await asyncio.sleep(0)

    def is_readable(self) -> bool:
        """Tell whether something came, or the end; while no request is under way, either is wrong."""
        if self.transport is None or self.buffer or self.has_ended or self.transport.is_closing():
            return True
        # What has come since the loop turned last.
        number = self.transport.get_extra_info("socket").fileno()
        if number < 0:
            return True
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    def abort(self) -> None:
        """Close at once. What was not sent yet never will be."""
        self.has_ended = True
        if self.transport is not None:
            self.transport.abort()


def told(error: Exception) -> str:
    """Say what an error of the system says, in one short line."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
