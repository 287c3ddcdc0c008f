"""HTTP/1.1 as it is spoken: what is understood, what is refused, how answers end."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app.server.heads import MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from app.server.wire import PIECE_BYTES
from tests.harness import eventually
from tests.server.conftest import Answering, answer, answered, assert_is_problem, closed, connected

GET = b"GET / HTTP/1.1\r\nHost: presshook.test\r\n\r\n"
OVERLONG = b"x" * MAX_HEAD_BYTES


def get(*lines: bytes, target: bytes = b"/") -> bytes:
    """Return a request with further header lines."""
    return b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: presshook.test", *lines, b"", b""))


def post(*lines: bytes, body: bytes = b"", target: bytes = b"/read") -> bytes:
    """Return a request with a body."""
    return get(*lines, target=target).replace(b"GET", b"POST", 1) + body


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"\r\n\r\n" + GET, 200, "empty lines before a request"),
        (get(target=b"http://elsewhere.test/?a=b"), 200, "the form that proxies are sent"),
        (get(b"Upgrade: h2c", b"Connection: Upgrade", b"HTTP2-Settings: AAA"), 200, "an upgrade, not heeded"),
        (get(b"Connection: close"), 200, "the last request of a connection"),
        (b"GET / HTTP/1.0\r\n\r\n", 200, "HTTP/1.0 needs no host"),
        (get(b"X: " + b"y" * 30_000), 200, "a long head"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "no host"),
        (get(b"Host: another.test"), 400, "two hosts"),
        (b"nonsense\r\n\r\n", 400, "no request"),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400, "an unknown version"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/2 without asking"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "TLS where none is spoken"),
        (b"CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "no proxy for tunnels"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200, "the server as a whole"),
        (get(target=b"/\xff"), 400, "a target that is not ASCII"),
        (get(b"X : y"), 400, "a space before the colon"),
        (get(b"X: a\x00b"), 400, "a control character in a header"),
        (get(b" folded: x"), 400, "a header that goes on in the next line, or begins with a space"),
        (post(b"Content-Length: 1", b"Content-Length: 2", body=b"xx"), 400, "two lengths"),
        (post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, "two ends"),
        (post(b"Transfer-Encoding: gzip", body=b"x"), 400, "an end that is not known"),
        (post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 400, "chunked is not the last coding"),
        (post(b"Content-Length: -1", body=b"x"), 400, "no length"),
        (post(b"Content-Length: +1", body=b"x"), 400, "no length either"),
        (post(b"Transfer-Encoding: chunked", body=b"zz\r\n"), 400, "no chunk"),
        (get(b"X: " + OVERLONG), 431, "a head over 64 KiB"),
        (get(target=b"/" + OVERLONG[:MAX_TARGET_BYTES]), 414, "a target over 16 KiB"),
        (get(*[b"X: y"] * (MAX_HEADERS + 1)), 431, "too many headers"),
    ],
)
async def test_what_is_understood(address: str, sent: bytes, status: int, reason: str) -> None:
    async with connected(address, sent) as (reader, _):
        said, headers, body = await answer(reader)
        assert said == status, reason
        if status != 200:
            assert headers["connection"] == "close", reason
            assert b"presshook.test" not in body, "nothing of what was sent is repeated"
            assert_is_problem(status, headers, body)
            assert await closed(reader), reason


async def test_each_refusal_has_an_id_of_its_own(address: str) -> None:
    """By which two of them are told apart."""
    ids = set()
    for _ in range(3):
        async with connected(address, b"nonsense\r\n\r\n") as (reader, _):
            ids.add((await answer(reader))[1]["x-request-id"])
    assert len(ids) == 3


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: presshook.test\r\n\r\n"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
UPGRADE = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA")


@pytest.mark.parametrize("cut", [1, 7, 100, 10_000])
@pytest.mark.parametrize("padding", [0, 3000])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: %d" % len(SMUGGLED), SMUGGLED),
        (b"Transfer-Encoding: chunked", CHUNKED),
        (b"Content-Length: 0", b""),
        (b"X: none", b""),
    ],
)
async def test_who_asks_for_an_upgrade_is_answered_as_if_not(
    address: str, application: Answering, framing: bytes, body: bytes, padding: int, cut: int
) -> None:
    """As Java's client asks for HTTP/2 with its first request, which may have a body."""
    asked = post(framing, b"X: " + b"y" * padding, *UPGRADE, body=body)
    sent = asked + get(target=b"/next") + asked
    async with connected(address) as (reader, writer):
        for begin in range(0, len(sent), cut):
            writer.write(sent[begin : begin + cut])
            if cut < len(sent):
                await asyncio.sleep(0)
        told = [(await answer(reader))[::2] for _ in range(3)]
    length = b"%d" % len(SMUGGLED if body else b"")
    assert told == [(200, length), (200, b"ok"), (200, length)]
    assert [scope["path"] for scope in application.asked] == ["/read", "/next", "/read"]


async def test_what_the_application_is_told(address: str, application: Answering) -> None:
    sent = get(b"X-One: a \t", b"x-one: b", target=b"/a%20b%2Fc?d=%20")
    async with connected(address, sent) as (reader, _):
        await answered(reader)
    [scope] = application.asked
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/a b/c",
        b"/a%20b%2Fc",
        b"d=%20",
    )
    assert scope["headers"] == [(b"host", b"presshook.test"), (b"x-one", b"a"), (b"x-one", b"b")]
    assert (scope["method"], scope["scheme"], scope["http_version"]) == ("GET", "http", "1.1")
    assert scope["client"][0] == "127.0.0.1"


async def test_requests_that_are_sent_ahead_are_answered_in_their_order(address: str) -> None:
    bodies = [b"x" * length for length in (1, 300, 5000, 2, 70_000, 0)]
    sent = [post(b"Content-Length: %d" % len(body), body=body) for body in bodies]
    async with connected(address, *sent, GET) as (reader, _):
        for body in bodies:
            assert (await answer(reader))[2] == b"%d" % len(body)
        await answered(reader)


@pytest.mark.parametrize("length", [1, 7, SLICE := 2048, 2049, 50_000])
async def test_wherever_the_bytes_are_cut(address: str, length: int) -> None:
    sent = (
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n" * 400 + b"0\r\nTrailer: x\r\n\r\n") + GET
    )
    async with connected(address) as (reader, writer):
        for begin in range(0, len(sent), length):
            writer.write(sent[begin : begin + length])
            if length < 100:
                await asyncio.sleep(0)
        assert (await answer(reader))[2] == b"2000"
        await answered(reader)


async def test_what_cannot_be_read_ends_the_connection_after_what_was_asked_before(
    address: str, application: Answering
) -> None:
    async with connected(address, get(target=b"/slow"), GET, b"nonsense\r\n\r\n") as (reader, _):
        application.go.set()
        await answered(reader)
        await answered(reader)
        assert (await answer(reader))[0] == 400
        assert await closed(reader)


async def test_a_body_that_breaks_off_is_no_whole_body(address: str) -> None:
    async with connected(address, post(b"Transfer-Encoding: chunked", body=b"5\r\nhelloXX")) as (reader, _):
        assert (await answer(reader))[0] == 400


async def test_a_client_that_leaves_is_told_to_the_application(address: str, application: Answering) -> None:
    async with connected(address, post(b"Content-Length: 100", body=b"x")):
        await eventually(lambda: asyncio.sleep(0, len(application.asked)), bool)
    async with connected(address, GET) as (reader, _):
        await answered(reader)
    assert application.messages == 0, "and no part of a body for a whole one"


async def test_a_body_is_asked_for(address: str) -> None:
    head = post(b"Content-Length: 2", b"Expect: 100-continue")
    async with connected(address, head) as (reader, writer):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert (await answer(reader))[2] == b"2"


async def test_a_body_that_nobody_reads_is_not_asked_for(address: str) -> None:
    head = post(b"Content-Length: 2", b"Expect: 100-continue", target=b"/")
    async with connected(address, head) as (reader, _):
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")


async def test_an_answer_of_unknown_length(address: str) -> None:
    async with connected(address, get(target=b"/unsized"), GET) as (reader, _):
        assert b"transfer-encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(12) == b"2\r\nok\r\n0\r\n\r\n"
        await answered(reader)
    async with connected(address, b"GET /unsized HTTP/1.0\r\n\r\n") as (reader, _):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert (b"chunked" in head, body) == (False, b"ok"), "who knows no chunks reads to the end"


async def test_an_answer_without_a_body(address: str) -> None:
    head = get(target=b"/large").replace(b"GET", b"HEAD", 1)
    async with connected(address, head, GET) as (reader, _):
        told = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert f"content-length: {len(Answering.large)}" in told
        await answered(reader)


async def test_a_large_answer_comes_whole(address: str) -> None:
    async with connected(address, get(target=b"/large"), GET) as (reader, _):
        assert (await answer(reader))[2] == Answering.large
        await answered(reader)


async def test_a_large_body_comes_in_pieces(address: str, application: Answering) -> None:
    body = b"x" * PIECE_BYTES * 8
    async with connected(address) as (reader, writer):
        writer.write(post(b"Content-Length: %d" % len(body), body=body))
        assert (await answer(reader))[2] == b"%d" % len(body)
    assert 2 <= application.messages <= 9


async def test_a_broken_application_is_told_of_without_its_words(address: str) -> None:
    with capture_logs() as logged:
        async with connected(address, get(target=b"/broken")) as (reader, _):
            status, headers, body = await answer(reader)
    assert (status, headers["connection"]) == (500, "close")
    [line] = [line for line in logged if line["event"] == "exchange_broken"]
    assert line["error"].startswith("ZeroDivisionError in __call__, conftest.py:")
    assert "s3cr3t" not in str(logged) + body.decode()
