"""Takes one answer of HTTP/1.1 apart as it comes, strictly, and knows when more came than one answer.

Nothing is sent or received here.
"""

import re
from collections.abc import Callable

import httpcore

from app.network.answers import CODING_FIELD, NotAloneError, TooLargeError, check_coding
from app.network.heads import Head, HeadReader, trailer_end

# Chunks that are smaller than their own frames cost far more to take apart than they hold.
FRAMING_BYTES = 16 * 1024
# RFC 9112, section 7.1, and blanks at the end of the line, which some servers write.
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;.*)?[ \t]*")
_WITHOUT_BODY = {204, 304}


class AnswerParser:
    """One answer to a GET, POST or DELETE. What it says is there as far as it was told."""

    def __init__(self, *, most: int) -> None:
        """Take at most so many bytes of a body."""
        self.head: Head | None = None
        self.body = bytearray()
        self.is_whole = False
        self.keeps_open = False
        """Whether the connection can serve another request."""
        self._most = most
        self._reader = HeadReader()
        self._buffer = self._reader.buffer
        self._step: Callable[[], bool] = self._read_head
        self._left_bytes = 0
        self._framing_bytes = 0

    def feed(self, piece: bytes) -> None:
        """Take what came.

        Raises:
            TooLargeError: the body is larger than is taken, or mostly framing.
            CodedError: it is compressed; none of it is taken.
            NotAloneError: something came after the answer.
            httpcore.RemoteProtocolError: it is malformed.
        """
        self._buffer += piece
        while not self.is_whole and self._step():
            pass
        if self.is_whole and self._buffer:
            if self._buffer.strip(b"\r\n"):
                raise NotAloneError
            self.keeps_open = False

    def end(self) -> None:
        """Take note that no more will come.

        Raises:
            httpcore.RemoteProtocolError: the answer did not come whole.
        """
        if self._step == self._read_rest:
            self.is_whole = True
        if self.is_whole:
            return
        if self.head is None:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        came = (
            f"received {len(self.body)} bytes, expected {self.head.length}"
            if self.head.length is not None
            else "incomplete chunked read"
        )
        raise httpcore.RemoteProtocolError(
            f"peer closed connection without sending complete message body ({came})"
        )

    # Each step takes what it can of the buffer, and tells whether the next one has something to do.

    def _read_head(self) -> bool:
        self.head = head = self._reader.read()
        if head is None:
            return False
        check_coding(value.decode("latin-1") for name, value in head.fields if name == CODING_FIELD)
        self.keeps_open = head.keeps_open
        if head.status in _WITHOUT_BODY:
            self.is_whole = True
        elif head.is_chunked:
            self._step = self._read_chunk_head
        elif head.length is not None:
            self._expect(head.length)
            self._step = self._read_counted
        else:
            self.keeps_open = False
            self._step = self._read_rest
        return True

    def _expect(self, size: int) -> None:
        if len(self.body) + size > self._most:
            raise TooLargeError
        self._left_bytes = size

    def _read_part(self) -> bool:
        """Take as much as is left of a known number of bytes; tell whether all have come."""
        part = self._buffer[: self._left_bytes]
        del self._buffer[: len(part)]
        self.body += part
        self._left_bytes -= len(part)
        return self._left_bytes == 0

    def _read_counted(self) -> bool:
        self.is_whole = self._read_part()
        return False

    def _read_rest(self) -> bool:
        self.body += self._buffer
        self._buffer.clear()
        if len(self.body) > self._most:
            raise TooLargeError
        return False

    def _read_chunk_head(self) -> bool:
        end = self._buffer.find(b"\r\n")
        self._frame(len(self._buffer) if end < 0 else 0)
        if end < 0:
            return False
        found = _CHUNK.fullmatch(self._buffer, 0, end)
        if found is None:
            raise httpcore.RemoteProtocolError("illegal chunk header")
        size = int(found[1], 16)
        self._skip(end + 2)
        self._expect(size)
        self._step = self._read_chunk if size else self._read_trailer
        return True

    def _read_chunk(self) -> bool:
        if self._read_part():
            self._step = self._read_chunk_end
            return True
        return False

    def _read_chunk_end(self) -> bool:
        if not b"\r\n".startswith(self._buffer[:2]):
            raise httpcore.RemoteProtocolError("malformed chunk footer")
        if len(self._buffer) < 2:
            return False
        self._skip(2)
        self._step = self._read_chunk_head
        return True

    def _read_trailer(self) -> bool:
        self._frame(len(self._buffer))
        end = trailer_end(self._buffer)
        if end is not None:
            self._skip(end)
            self.is_whole = True
        return False

    def _skip(self, size: int) -> None:
        """Drop so many bytes of framing."""
        del self._buffer[:size]
        self._framing_bytes += size
        self._frame(0)

    def _frame(self, pending: int) -> None:
        """Check that there is not much more framing, `pending` bytes of it still to come, than body."""
        if pending > FRAMING_BYTES or self._framing_bytes + pending - len(self.body) > FRAMING_BYTES:
            raise TooLargeError
