"""Reads an answer's body as it is on the wire, under a cap, and knows when more came than one answer."""

from collections.abc import Iterable

import h11
import httpcore

from app.network.streams import HEAD_BYTES, Stream

# What a request has to say so that nothing comes that is larger than it looks.
ACCEPT_IDENTITY = ("Accept-Encoding", "identity")
# Chunks that are smaller than their own frames cost far more to take apart than they hold.
FRAMING = 2
FRAMING_BYTES = 16 * 1024


class TooLargeError(Exception):
    """The body is larger than is taken."""


class CodedError(Exception):
    """The body is coded, although that was not asked for."""


class NotAloneError(Exception):
    """More came than one answer: which one is to be believed?"""


def check_coding(codings: Iterable[str]) -> None:
    """Check the values of `Content-Encoding`.

    Inflating is refused rather than bounded: a few hundred bytes may stand for gigabytes.

    Raises:
        CodedError: there is one other than `identity`.
    """
    for value in codings:
        if any(coding.strip().lower() not in {"", "identity"} for coding in value.split(",")):
            raise CodedError


async def read_alone(answer: httpcore.Response, *, method: str, most: int) -> bytes:
    """Return the whole body of the only answer on its connection, which is a `Stream`.

    Raises:
        TooLargeError: it has more than `most` bytes.
        CodedError: it is compressed.
        NotAloneError: something came after it. The connection is closed.
        httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException: it did not come whole.
    """
    stream = _stream(answer)
    check_coding(
        value.decode("latin-1") for name, value in answer.headers if name.lower() == b"content-encoding"
    )
    stream.expect(most + HEAD_BYTES)
    body, head_bytes = bytearray(), len(stream.received)
    async for chunk in answer.aiter_stream():
        body += chunk
        framing_bytes = len(stream.received) - head_bytes - FRAMING * len(body)
        if len(body) > most or framing_bytes > FRAMING_BYTES:
            raise TooLargeError
    if not await is_alone(answer, method=method):
        raise NotAloneError
    return bytes(body)


async def is_alone(answer: httpcore.Response, *, method: str) -> bool:
    """Tell whether nothing came after an answer that was read. If something did, its connection is closed.

    Else the rest would be taken for the answer to whatever is asked there next.
    """
    stream = _stream(answer)
    if answer.status == 101 or not (await stream.has_more() or _trailing(method, bytes(stream.received))):
        return True
    await stream.aclose()
    return False


def _stream(answer: httpcore.Response) -> Stream:
    stream = answer.extensions["network_stream"]
    assert isinstance(stream, Stream)  # noqa: S101 - of our own backend
    return stream


def _trailing(method: str, received: bytes) -> bytes:
    """Return what comes after the first answer in bytes that begin with one, less empty lines."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=len(received) + 1)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "any"), ("Content-Length", "0")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(received)
    while (event := parser.next_event()) is not h11.NEED_DATA:
        if isinstance(event, h11.EndOfMessage):
            return parser.trailing_data[0].strip(b"\r\n")
    return b""  # its end is that of the connection
