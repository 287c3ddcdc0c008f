"""Answers taken apart: by the examples, and beside h11, whose word on what is broken is final."""

# ruff: noqa: E501 - the tables read by their lines

import re
from collections.abc import Iterator
from itertools import pairwise

import h11
import httpcore
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.network.answers import CodedError, NotAloneError, TooLargeError
from app.network.heads import HEAD_BYTES
from app.network.http1 import FRAMING_BYTES, AnswerParser

MOST = 128 * 1024
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
COUNTED = HEAD + b"Content-Length: 2\r\n\r\n{}"

Heard = tuple[int, list[tuple[bytes, bytes]], bytes]
Refusal = type[Exception]


def hear(*pieces: bytes, most: int = MOST) -> AnswerParser:
    """Have an answer come in pieces, and then the end of the connection."""
    answer = AnswerParser(most=most)
    for piece in pieces:
        answer.feed(piece)
    answer.end()
    return answer


def refused(*pieces: bytes) -> Exception | None:
    """Return how an answer is refused, None if it is not."""
    try:
        hear(*pieces)
    except (httpcore.RemoteProtocolError, NotAloneError, TooLargeError, CodedError) as error:
        return error
    return None


@pytest.mark.parametrize(
    ("came", "status", "body", "keeps_open", "reason"),
    [
        (COUNTED, 200, b"{}", True, "as most are"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True, "no reason"),
        (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True, "an empty reason"),
        (b"HTTP/1.1 200 C'est l\xe0\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True, "a reason in Latin-1"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", 200, b"{}", True, "lines that end with LF"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True, "the same length twice"),
        (HEAD + b"Content-Length: 2, 2\r\n\r\n{}", 200, b"{}", True, "the same length twice, in one field"),
        (HEAD + b"Connection: Keep-Alive, Close\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", False, "it says that it closes"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}", 200, b"{}", False, "HTTP/1.0 keeps nothing"),
        (HEAD + b"\r\n{}", 200, b"{}", False, "the end of the connection is that of the body"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", 200, b"{}", False, "the same in HTTP/1.0"),
        (HEAD + b"\r\n", 200, b"", False, "an empty one"),
        (CHUNKED + b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", 200, b"{}", True, "chunks"),
        (CHUNKED + b"02 \r\n{}\r\n00\r\nX-Took: 3\r\n\r\n", 200, b"{}", True, "zeros, blanks, a trailer"),
        (HEAD + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200, b"", True, "in capitals"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", 204, b"", True, "no body, whatever is said of it"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, b"", True, "no body"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + COUNTED, 200, b"{}", True, "some 1xx"),
        (b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", 999, b"", True, "a status is a status"),
        (COUNTED + b"\r\n\r\n", 200, b"{}", False, "empty lines are nothing, but who knows what follows"),
        (HEAD + b"X: a\x01b\xe9\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True, "characters that cookies have"),
        (HEAD + b"X:\r\nContent-Length:\t2 \t\r\n\r\n{}", 200, b"{}", True, "no value, and blanks around one"),
        (HEAD + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True, "not coded"),
    ],
)  # fmt: skip
def test_what_is_taken(came: bytes, status: int, body: bytes, *, keeps_open: bool, reason: str) -> None:
    for pieces in ([came], [came[i : i + 1] for i in range(len(came))]):
        answer = hear(*pieces)
        assert answer.head is not None
        assert (answer.head.status, bytes(answer.body)) == (status, body), reason
        assert answer.keeps_open is keeps_open, reason


BROKEN = httpcore.RemoteProtocolError


@pytest.mark.parametrize(
    ("came", "refusal", "reason"),
    [
        (b"", BROKEN, "nothing"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", BROKEN, "half a head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", BROKEN, "an interim answer alone"),
        (COUNTED[:-1], BROKEN, "half a body"),
        (CHUNKED, BROKEN, "no chunk"),
        (CHUNKED + b"2\r\n{}\r\n", BROKEN, "no last chunk"),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", BROKEN, "no end after it"),
        (CHUNKED + b"2\r\n{}\r\n0\r\nX-Took: 3\r\n", BROKEN, "no end of its trailer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", BROKEN, "not HTTP"),
        (b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "something like HTTP"),
        (b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "in small letters"),
        (b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "two digits"),
        (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "four digits"),
        (b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "a sign"),
        (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "less than any status"),
        (b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "two blanks"),
        (b"HTTP/1.1 200OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "no blank"),
        (b"HTTP/11 200 OK\r\nContent-Length: 0\r\n\r\n", BROKEN, "no such version"),
        (b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", BROKEN, "NUL in the reason"),
        (b"\r\n" + COUNTED, BROKEN, "an empty line before it"),
        (b" " + COUNTED, BROKEN, "a blank before it"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", BROKEN, "another protocol"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", BROKEN, "two lengths"),
        (HEAD + b"Content-Length: 2, 3\r\n\r\n{} ", BROKEN, "two lengths in one field"),
        (HEAD + b"Content-Length: 2,\r\n\r\n{}", BROKEN, "half of two"),
        (HEAD + b"Content-Length: -2\r\n\r\n{}", BROKEN, "less than nothing"),
        (HEAD + b"Content-Length: +2\r\n\r\n{}", BROKEN, "a sign"),
        (HEAD + b"Content-Length: 0x2\r\n\r\n{}", BROKEN, "hexadecimal"),
        (HEAD + b"Content-Length: 2_0\r\n\r\n{}", BROKEN, "as Python writes it"),
        (HEAD + b"Content-Length: \xb2\r\n\r\n{}", BROKEN, "a digit only in Unicode"),
        (HEAD + b"Content-Length: two\r\n\r\n{}", BROKEN, "a word"),
        (HEAD + b"Content-Length:\r\n\r\n{}", BROKEN, "nothing"),
        (HEAD + b"Content-Length: %b\r\n\r\n{}" % (b"9" * 21), BROKEN, "without end"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", BROKEN, "two ends: which one?"),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BROKEN, "chunked twice"),
        (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", BROKEN, "chunked, and not last"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", BROKEN, "coded"),
        (HEAD + b"Transfer-Encoding: identity\r\n\r\n", BROKEN, "no coding, which is none"),
        (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", BROKEN, "nearly"),
        (HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", BROKEN, "white space that is none"),
        (HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", BROKEN, "a blank before the colon"),
        (HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", BROKEN, "on a line of its own"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BROKEN, "HTTP/1.0 knows no chunks"),
        (HEAD + b"X: 1\r\n more\r\nContent-Length: 2\r\n\r\n{}", BROKEN, "a field that goes on"),
        (HEAD + b" X: 1\r\nContent-Length: 2\r\n\r\n{}", BROKEN, "the first field goes on"),
        (HEAD + b"X: a\x00b\r\nContent-Length: 2\r\n\r\n{}", BROKEN, "NUL"),
        (HEAD + b"X: a\rContent-Length: 2\r\n\r\n{}", BROKEN, "a line ends with CR alone"),
        (HEAD + b"Content-Length\r\n\r\n", BROKEN, "no colon"),
        (HEAD + b": 2\r\n\r\n", BROKEN, "no name"),
        (HEAD + b"Content Length: 2\r\n\r\n{}", BROKEN, "a blank in the name"),
        (HEAD + b"X: " + b"x" * HEAD_BYTES + b"\r\nContent-Length: 2\r\n\r\n{}", BROKEN, "a head that is too large"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + COUNTED, BROKEN, "too many heads before it"),
        (CHUNKED + b"\r\n{}\r\n0\r\n\r\n", BROKEN, "no size"),
        (CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", BROKEN, "a negative size"),
        (CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n", BROKEN, "a sign"),
        (CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", BROKEN, "a prefix"),
        (CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n", BROKEN, "a blank before it"),
        (CHUNKED + b"2_0\r\n{}\r\n0\r\n\r\n", BROKEN, "as Python writes it"),
        (CHUNKED + b"2\n{}\r\n0\r\n\r\n", BROKEN, "a chunk's line ends with LF"),
        (CHUNKED + b"2\r\n{}\n0\r\n\r\n", BROKEN, "a chunk ends with LF"),
        (CHUNKED + b"2\r\n{}0\r\n\r\n", BROKEN, "a chunk does not end"),
        (CHUNKED + b"3\r\n{}\r\n0\r\n\r\n", BROKEN, "a chunk is shorter than it says"),
        (CHUNKED + b"1\r\n{}\r\n0\r\n\r\n", BROKEN, "a chunk is longer than it says"),
        (CHUNKED + b"2;\n1\r\n{}\r\n0\r\n\r\n", BROKEN, "LF in an extension"),
        (CHUNKED + b"%b1\r\n}\r\n0\r\n\r\n" % (b"0" * 20), BROKEN, "zeros without end"),
        (CHUNKED + b"0\r\nno trailer\r\n\r\n", BROKEN, "a trailer that is none"),
        (CHUNKED + b"0\r\n X: folded\r\n\r\n", BROKEN, "the first line of a trailer goes on"),
        (CHUNKED + b"0\r\nContent-Length: -2\r\n\r\n", BROKEN, "not even after the body"),
        (CHUNKED + b"0\r\nTransfer-Encoding: gzip\r\n\r\n", BROKEN, "not even after the body"),
        (HEAD + b"Content-Length: %d\r\n\r\n" % (MOST + 1), TooLargeError, "as it says itself"),
        (HEAD + b"\r\n" + b" " * (MOST + 1), TooLargeError, "although it says nothing"),
        (CHUNKED + b"%x\r\n" % (MOST + 1), TooLargeError, "one chunk"),
        (CHUNKED + b"%x\r\n%b\r\n1\r\n" % (MOST, b" " * MOST), TooLargeError, "several"),
        (CHUNKED + b"f" * 20 + b"\r\n", TooLargeError, "beyond any number"),
        (CHUNKED + b"1;" + b"x" * FRAMING_BYTES, TooLargeError, "an extension without end"),
        (CHUNKED + b"0\r\nX: " + b"x" * FRAMING_BYTES, TooLargeError, "a trailer without end"),
        (CHUNKED + b"1;xx\r\n \r\n" * FRAMING_BYTES, TooLargeError, "more frames than there is in them"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", CodedError, "nobody asked for that"),
        (COUNTED + b"x", NotAloneError, "something after it"),
        (COUNTED + b"\r\n\r\nx", NotAloneError, "something after empty lines"),
        (COUNTED + COUNTED, NotAloneError, "twice"),
        (COUNTED.replace(b"OK", b"OK\r\nConnection: close") + COUNTED, NotAloneError, "twice, although it closes"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}" + COUNTED, NotAloneError, "twice, in HTTP/1.0"),
        (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n" + COUNTED, NotAloneError, "twice, in chunks"),
        (b"HTTP/1.1 204 No Content\r\n\r\n{}", NotAloneError, "a body where there is none"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{}", NotAloneError, "a body where there is none"),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NotAloneError, "an empty one, in chunks"),
        (HEAD + b"Content-Length: 0\r\n\r\n\x00", NotAloneError, "NUL after nothing"),
    ],
)  # fmt: skip
def test_what_is_refused(came: bytes, refusal: Refusal, reason: str) -> None:
    for pieces in ([came], [came[i : i + 7] for i in range(0, len(came), 7)]):
        heard = refused(*pieces)
        assert type(heard) is refusal, reason


def test_a_status_is_known_although_the_body_never_comes() -> None:
    answer = AnswerParser(most=MOST)
    with pytest.raises(BROKEN):
        answer.feed(
            b"HTTP/1.1 502 Bad Gateway\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n"
        )
    assert answer.head is not None
    assert (answer.head.status, answer.head.fields[0]) == (502, (b"retry-after", b"7"))


# Beside h11

LINES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 204 ",
    b"HTTP/1.1 304",
    b"HTTP/1.1 500 \xe9",
    b"HTTP/0.9 200 OK",
    b"HTTP/2.0 200 OK",
    b"HTTP/1.1 600 X",
    b"HTTP/1.1 020 X",
    b"HTTP/1.1 101 X",
]
FIELDS = [
    b"Content-Length: 2", b"Content-Length: 3", b"Content-Length: 0", b"content-length: 2, 2", b"Content-Length: 02",
    b"Content-Length: -2", b"Content-Length : 2", b"Content-Length: 2 ", b"Transfer-Encoding: chunked",
    b"transfer-encoding: Chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
    b"Connection: close", b"Connection: keep-alive, CLOSE", b"Connection: upgrade", b"Upgrade: x", b"X: y", b"X:", b" folded",
    b"X: a\x00", b"X: \x0b", b"X\xe9: y", b"Set-Cookie: a=\x01", b"Content-Encoding: identity", b"Trailer: X",
]  # fmt: skip
BODIES = [
    b"",
    b"{}",
    b"{}x",
    b"2\r\n{}\r\n0\r\n\r\n",
    b"2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n",
    b"0\r\n\r\n",
    b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n\r\n",
    b"0\r\nContent-Length: 3\r\n\r\n",
    b"2\n{}\n0\n\n",
    b"02 \r\n{}\r\n0\r\n\n",
]
ODD = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0",
    b"f",
    b"-",
    b"\xff",
    b"\x0b",
    b"\r\n\r\n",
    COUNTED,
]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Return an answer, or something like one."""
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
    interim = [b"HTTP/1.1 100 Continue", b""] * draw(st.sampled_from([0, 0, 0, 1, 2]))
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=4))
    came = bytearray(
        end.join([*interim, draw(st.sampled_from(LINES)), *fields, b"", draw(st.sampled_from(BODIES))])
    )
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 5]))):
        place, cut = draw(st.integers(0, len(came))), draw(st.sampled_from([0, 0, 1, 1, 3]))
        came[place : place + cut] = draw(st.sampled_from([b"", *ODD]) | st.binary(max_size=2))
    return bytes(came[: draw(st.just(len(came)) | st.integers(0, len(came)))])


def of_h11(came: bytes) -> Heard | Refusal:
    """Return what h11 takes an answer for, or how it has to be refused."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "any")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(came)
    parser.receive_data(b"")
    head, body = None, b""
    try:
        for event in iter(parser.next_event, None):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                return BROKEN
    except h11.RemoteProtocolError:
        return BROKEN
    assert head is not None
    if parser.trailing_data[0].strip(b"\r\n"):
        return NotAloneError
    return head.status_code, list(head.headers), body


# What we refuse of what h11 takes.
STRICTER = re.compile(
    r"illegal header line: b'( |\\t)"  # a field that goes on
    r"|both Content-Length and Transfer-Encoding|Transfer-Encoding in HTTP/1\.0"
)


def of_ours(came: bytes, cuts: list[int]) -> Heard | Exception:
    """Return what is taken of an answer that comes in pieces, or how it is refused."""
    places = sorted({0, *(cut % (len(came) + 1) for cut in cuts), len(came)})
    try:
        answer = hear(*(came[begin:end] for begin, end in pairwise(places)))
    except (BROKEN, NotAloneError, TooLargeError, CodedError) as error:
        return error
    assert answer.head is not None
    return answer.head.status, _unrepeated(answer.head.fields), bytes(answer.body)


def _unrepeated(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return fields as h11 does: one length, and the coding in small letters."""

    def each() -> Iterator[tuple[bytes, bytes]]:
        is_told = False
        for name, value in fields:
            if name == b"content-length":
                if not is_told:
                    yield name, value.split(b",")[0].strip()
                is_told = True
            else:
                yield name, value.lower() if name == b"transfer-encoding" else value

    return list(each())


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(came=answers(), cuts=st.lists(st.integers(0, 300), max_size=4))
@example(came=COUNTED, cuts=[])
def test_nothing_is_taken_otherwise_than_h11_takes_it(came: bytes, cuts: list[int]) -> None:
    """What h11 refuses is refused; what is taken has the status, the fields and the body that h11 finds."""
    ours, theirs = of_ours(came, cuts), of_h11(came)
    if theirs is NotAloneError:
        # Or else the status alone would count, where there are two.
        assert isinstance(ours, NotAloneError | CodedError | TooLargeError) or STRICTER.match(str(ours))
    elif isinstance(theirs, type):
        assert isinstance(ours, Exception)
    elif isinstance(ours, Exception):
        assert isinstance(ours, CodedError | TooLargeError) or STRICTER.match(str(ours))
    else:
        assert ours == theirs
    whole = of_ours(came, [])
    assert (type(whole) is type(ours)) if isinstance(ours, Exception) else whole == ours, (
        "how it comes in pieces makes no difference"
    )


@settings(max_examples=300, deadline=None)
@given(
    status=st.sampled_from([200, 201, 404, 500]),
    body=st.binary(max_size=300),
    sizes=st.lists(st.integers(1, 100), max_size=8) | st.none(),
    fields=st.lists(
        st.sampled_from([b"X: y", b"Date: Mon, 23 Nov 2026 12:00:00 GMT", b"X-Empty:"]), max_size=3
    ),
    cuts=st.lists(st.integers(0, 900), max_size=6),
)
def test_whatever_is_right_is_taken(
    status: int, body: bytes, sizes: list[int] | None, fields: list[bytes], cuts: list[int]
) -> None:
    if sizes is None:
        framing, coded = b"Content-Length: %d" % len(body), body
    else:
        framing, rest, coded = b"Transfer-Encoding: chunked", body, b""
        for size in [*sizes, len(body)]:
            part, rest = rest[:size], rest[size:]
            coded += b"%x\r\n%b\r\n" % (len(part), part) if part else b""
        coded += b"0\r\n\r\n"
    came = b"\r\n".join([b"HTTP/1.1 %d Any" % status, *fields, framing, b"", coded])
    heard = of_ours(came, cuts)
    assert heard == of_h11(came)
    assert not isinstance(heard, Exception)
    assert (heard[0], heard[2]) == (status, body)
