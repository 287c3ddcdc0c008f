"""HTTP/1.1 as bytes: heads of answers, and chunks."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

PIECE_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CLOSE = b"connection: close"
Headers = Iterable[tuple[bytes, bytes]]
# Headers that say the same in most answers, and nothing to the server: their lines are put together once.
SAME = frozenset(
    {
        b"cache-control",
        b"content-security-policy",
        b"content-type",
        b"cross-origin-resource-policy",
        b"date",
        b"referrer-policy",
        b"www-authenticate",
        b"x-content-type-options",
        b"x-frame-options",
    }
)


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}".encode()


STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


@dataclass(slots=True)
class AnswerHead:
    """The head of an answer as the application gives it."""

    status: int
    headers: Headers
    keep_alive: bool


@dataclass(slots=True)
class EncodedHead:
    """The head of an answer as it is sent, and how its body is told to end."""

    data: bytes
    keep_alive: bool
    chunked: bool
    length: int | None
    """What Content-Length says."""


@lru_cache(maxsize=64)
def _same_line(name: bytes, value: bytes) -> bytes:
    return b"%b: %b" % (name, value)


def encode_head(head: AnswerHead, default: Headers, *, bodiless: bool, may_chunk: bool) -> EncodedHead:
    """Return the head of an answer as bytes.

    Where nothing tells how long a body will be, it is sent in chunks if it may, or else ends with the
    connection.

    Raises:
        RuntimeError: a header would break out of its line.
    """
    lines = [STATUS_LINES[head.status]]
    keep_alive, length = head.keep_alive, None
    says_close = False
    for name, value in (*default, *head.headers):
        if name in SAME:
            lines.append(_same_line(name, value))
            continue
        lines.append(b"%b: %b" % (name, value))
        lowered = name.lower()
        if lowered == b"content-length":
            length = int(value)
        elif lowered == b"connection" and b"close" in value.lower():
            keep_alive, says_close = False, True
    is_open = not bodiless and length is None
    chunked = is_open and may_chunk
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    keep_alive = keep_alive and (chunked or not is_open)
    if not keep_alive and not says_close:
        lines.append(CLOSE)
    data = b"\r\n".join((*lines, b"", b""))
    ends = len(lines) + 1
    if data.count(b"\n") != ends or data.count(b"\r") != ends or b"\0" in data:
        raise RuntimeError("a header of the answer holds a control character")
    return EncodedHead(data, keep_alive, chunked, length)


def chunk(body: bytes) -> bytes:
    """Return a piece of a body as a chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)
