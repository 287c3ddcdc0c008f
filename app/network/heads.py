"""Takes the head of an answer of HTTP/1.1 apart, strictly: what is odd is refused, not guessed at.

Where one answer ends decides what is taken for the next one, so nothing is taken of its framing that two
readers might read in two ways (RFC 9112, sections 6.3 and 11.2).
"""

import re
from dataclasses import dataclass, field

import httpcore

# The head of an answer, with all that may come before it (1xx).
HEAD_BYTES = 64 * 1024
LENGTH_DIGITS = 20
SHOWN_BYTES = 200

# RFC 9112, sections 2.2, 4 and 5. Lines may end with a bare LF, and a reason may be missing; text may hold
# control characters, as cookies do, but no NUL and no white space other than blanks and tabs.
_TEXT = rb"[^\x00\s]"
_BLANK_LINE = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_STATUS_LINE = re.compile(rb"HTTP/([0-9]\.[0-9]) ([0-9]{3})(?: ((?:[ \t]|%b)*))?" % _TEXT)
_FIELD = re.compile(rb"([-!#$%%&'*+.^_`|~0-9a-zA-Z]+):[ \t]*((?:%b+(?:[ \t]+%b+)*)?)[ \t]*" % (_TEXT, _TEXT))

Fields = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Head:
    """A final answer's head. The names of its fields are in small letters.

    `length` is that of the body as it is told, None if it is chunked or ends with the connection.
    """

    status: int
    reason: bytes
    fields: Fields = field(repr=False)
    length: int | None
    is_chunked: bool
    keeps_open: bool
    """Whether the connection serves another request."""


class HeadReader:
    """Reads the head of a final answer; `buffer` holds what came, and then what came after the head."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.buffer = bytearray()
        self._seen_bytes = 0
        self._interim_bytes = 0

    def read(self) -> Head | None:
        """Return the head of the answer once it is whole, past those of interim ones (1xx).

        Raises:
            httpcore.RemoteProtocolError: it is malformed, larger than 64 KiB, or switches protocols.
        """
        while (lines := self._lines()) is not None:
            head = _head(lines)
            if head.status >= 200:
                return head
        return None

    def _lines(self) -> list[bytes] | None:
        """Return the lines up to the next blank one, None if that has not come."""
        if self.buffer and self.buffer[0] <= 0x20:
            raise httpcore.RemoteProtocolError(f"illegal status line: {_shown(self.buffer)}")
        found = _BLANK_LINE.search(self.buffer, self._seen_bytes)
        used_bytes = self._interim_bytes + (len(self.buffer) if found is None else found.end())
        if used_bytes > HEAD_BYTES:
            raise httpcore.RemoteProtocolError("the answer has more in it than is taken")
        if found is None:
            self._seen_bytes = max(0, len(self.buffer) - 2)
            return None
        lines = _split(self.buffer[: found.start()])
        del self.buffer[: found.end()]
        self._seen_bytes, self._interim_bytes = 0, used_bytes
        return lines


def trailer_end(data: bytearray) -> int | None:
    """Return where the lines end that follow a chunked body, with the blank one; None if that has not come.

    What they say is nobody's concern, but they have to be well-formed.

    Raises:
        httpcore.RemoteProtocolError: they are not.
    """
    if data.startswith((b"\r\n", b"\n")):
        return data.index(b"\n") + 1
    found = _BLANK_LINE.search(data)
    if found is None:
        return None
    framing(read_fields(_split(_FOLD.sub(b" ", data[: found.start()]))))
    return found.end()


def _split(data: bytes | bytearray) -> list[bytes]:
    """Return lines, which end with LF or CRLF, without their ends."""
    return [line.removesuffix(b"\r") for line in bytes(data).split(b"\n")]


def read_fields(lines: list[bytes]) -> Fields:
    """Return fields by their lines.

    Raises:
        httpcore.RemoteProtocolError: a line is malformed, or goes on from the one before (obs-fold).
    """
    fields = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise httpcore.RemoteProtocolError(f"illegal header line: {_shown(line)}")
        fields.append((found[1].lower(), found[2]))
    return fields


def framing(fields: Fields) -> tuple[int | None, bool]:
    """Return the length of a body, None if none is told, and whether it is chunked.

    Raises:
        httpcore.RemoteProtocolError: they contradict each other, or cannot be understood.
    """
    lengths = {
        length.strip() for name, value in fields if name == b"content-length" for length in value.split(b",")
    }
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    if len(lengths) > 1:
        raise httpcore.RemoteProtocolError("conflicting Content-Length headers")
    if codings and codings != [b"chunked"]:
        raise httpcore.RemoteProtocolError("Only Transfer-Encoding: chunked is supported")
    length = lengths.pop() if lengths else None
    if length is not None and (not length.isdigit() or len(length) > LENGTH_DIGITS):
        raise httpcore.RemoteProtocolError("bad Content-Length")
    return None if length is None else int(length), bool(codings)


def _head(lines: list[bytes]) -> Head:
    found = _STATUS_LINE.fullmatch(lines[0])
    if found is None:
        raise httpcore.RemoteProtocolError(f"illegal status line: {_shown(lines[0])}")
    version, status, reason = found[1], int(found[2]), found[3] or b""
    if status < 100 or status == 101:  # 101 switches to a protocol that nobody asked for
        raise httpcore.RemoteProtocolError(f"unexpected status {status}")
    fields = read_fields(lines[1:])
    length, is_chunked = framing(fields)
    if is_chunked and length is not None:
        raise httpcore.RemoteProtocolError("both Content-Length and Transfer-Encoding")
    if is_chunked and version < b"1.1":
        raise httpcore.RemoteProtocolError("Transfer-Encoding in HTTP/1.0")
    keeps_open = version >= b"1.1" and not any(
        option.strip().lower() == b"close"
        for name, value in fields
        if name == b"connection"
        for option in value.split(b",")
    )
    return Head(status, reason, fields, length, is_chunked, keeps_open)


def _shown(data: bytes | bytearray) -> str:
    return repr(bytes(data[:SHOWN_BYTES]))
