"""No client slows down the others, whatever it sends, leaves out or leaves unread."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest
from structlog.testing import capture_logs

from app.server import crowd, fair
from app.server.crowd import Crowd, most_connections
from app.server.protocol import LINGER_BYTES
from app.server.wire import PIECE_BYTES
from tests.harness import LOOK_SECONDS, eventually
from tests.server.conftest import (
    Answering,
    Connection,
    answer,
    answered,
    assert_is_problem,
    closed,
    connected,
)

HALF = b"GET / HTTP/1.1\r\nHost: presshook.test\r\n"
GET = HALF + b"\r\n"
HELD = GET.replace(b"/", b"/held", 1)
SLOW = GET.replace(b"/", b"/slow", 1)
LARGE = GET.replace(b"/", b"/large", 1)
CHUNKED = b"POST %b HTTP/1.1\r\nHost: presshook.test\r\nTransfer-Encoding: chunked\r\n\r\n"
TINY = b"1\r\nx\r\n" * 10_000


@pytest.fixture
def crowds(monkeypatch: pytest.MonkeyPatch) -> list[Crowd]:
    """What watches over the connections of the servers that are started."""
    made: list[Crowd] = []

    def make() -> Crowd:
        made.append(Crowd(most=5))
        return made[-1]

    monkeypatch.setattr(fair, "Crowd", make)
    return made


async def send_for_ever(writer: asyncio.StreamWriter, data: bytes) -> int:
    """Send until the other side does not let us; return how many bytes that took."""
    sent = 0
    with suppress(ConnectionError):
        while True:
            writer.write(data)
            sent += len(data)
            await writer.drain()
    return sent


# Who sends no whole request


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "nothing at all"),
        (b"G", "the first letter"),
        (HALF, "a head without its end"),
        (b"\r\n", "no more"),
    ],
)
async def test_a_connection_without_a_whole_head_is_closed(address: str, sent: bytes, reason: str) -> None:
    async with connected(address, sent) as (reader, _):
        assert await closed(reader), reason


@pytest.mark.parametrize(("begin", "drip"), [(HALF, b"x"), (b"", b"\r\n"), (b"GET /", b"x")])
async def test_dripping_gives_no_more_time(address: str, begin: bytes, drip: bytes) -> None:
    async with connected(address, begin) as (reader, writer):
        ending = asyncio.create_task(closed(reader))
        while not ending.done():
            writer.write(drip)
            await asyncio.sleep(LOOK_SECONDS)
        assert await ending


async def test_the_head_of_a_later_request_has_no_more_time(address: str) -> None:
    async with connected(address, GET) as (reader, writer):
        await answered(reader)
        writer.write(HALF)
        assert await closed(reader)


async def test_an_answer_may_take_longer(address: str, application: Answering) -> None:
    async with connected(address, SLOW + HALF) as (waiting, _), connected(address, HALF) as (later, _):
        assert await closed(later), "so that the time of the first is up as well"
        application.go.set()
        await answered(waiting)
        assert await closed(waiting), "and then the time of what was sent ahead begins"


async def test_a_connection_without_a_further_request_is_closed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "KEEP_ALIVE_SECONDS", 0.3)
    async with connected(address, GET) as (reader, _):
        await answered(reader)
        assert await closed(reader)


def test_who_closes_first_is_the_load_balancer() -> None:
    assert crowd.KEEP_ALIVE_SECONDS > 60, "which is after how much most of them do"


# Who sends what nobody reads


async def test_nothing_is_read_on_after_an_answer_that_left_a_body_unread(address: str) -> None:
    async with connected(address, CHUNKED % b"/") as (reader, writer):
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        sent = await send_for_ever(writer, TINY)
    # What the kernels of both sides hold is beyond us.
    assert sent < LINGER_BYTES + 32 * 1024 * 1024


async def test_a_body_that_drips_after_its_answer_holds_nothing(address: str) -> None:
    async with connected(address, CHUNKED % b"/") as (reader, writer):
        await answered(reader)
        writer.write(b"1")
        assert await closed(reader)


async def test_a_client_that_sends_first_and_reads_then_gets_its_answer(address: str) -> None:
    body = b"x" * (LINGER_BYTES // 2)
    head = b"POST / HTTP/1.1\r\nHost: presshook.test\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with connected(address, head, body) as (reader, _):
        await answered(reader)


async def test_tiny_pieces_wake_the_application_once(address: str, application: Answering) -> None:
    async with connected(address, CHUNKED % b"/read", TINY, b"0\r\n\r\n") as (reader, _):
        assert (await answer(reader))[2] == b"10000"
    assert application.messages == 1


@pytest.mark.parametrize(
    ("framing", "reason"),
    [
        (b"1;" + b"e" * 1000 + b"\r\nx\r\n", "extensions of chunks"),
        (b"0\r\n" + b"Trailer: y\r\n" * 100, "trailers"),
        (b"0\r\nTrailer: " + b"y" * 1000, "a trailer"),
    ],
)
async def test_a_body_may_not_be_mostly_framing(address: str, framing: bytes, reason: str) -> None:
    begin, _, again = framing.partition(b"0\r\n")
    async with connected(address, CHUNKED % b"/read", framing) as (reader, writer):
        sending = asyncio.create_task(send_for_ever(writer, again[-900:] or begin))
        assert (await answer(reader))[0] == 400, reason
        await sending


async def test_many_requests_that_are_sent_ahead_wait_unparsed(address: str, application: Answering) -> None:
    many = 5_000
    async with connected(address) as (reader, writer), connected(address, GET) as (other, _):
        writer.write(SLOW + GET * many)
        await answered(other)
        assert len(application.asked) <= 2
        application.go.set()
        for _ in range(many + 1):
            await answered(reader)


# Who reads nothing


@pytest.mark.parametrize("target", [b"/large", b"/endless"])
async def test_who_takes_nothing_is_cut_off(crowds: list[Crowd], address: str, target: bytes) -> None:
    with capture_logs() as logged:
        async with connected(address, GET.replace(b"/", target, 1) * 50) as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # nothing else does not read
            waiting: list[int] = []

            async def look() -> int:
                held = [each.transport.get_write_buffer_size() for each in crowds[0].open]
                waiting.extend(held)
                return len(held)

            await eventually(look, lambda connections: connections == 0)
            del writer
    # No more waits for him than what the transport takes before it says stop, and a piece.
    assert max(waiting) <= 3 * PIECE_BYTES
    [line] = [line for line in logged if line["event"] == "stuck_connections_cut_off"]
    assert line["connections"] == 1


async def test_who_takes_a_little_now_and_then_is_not(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "STUCK_SECONDS", 5.0)
    async with connected(address, LARGE) as (reader, _):
        taken = b""
        while len(taken) < len(Answering.large):
            taken += await reader.read(PIECE_BYTES)
    assert taken.endswith(b"x")


# Who comes in numbers


async def opened(stack: AsyncExitStack, address: str, sent: bytes) -> Connection:
    return await stack.enter_async_context(connected(address, sent))


@pytest.mark.usefixtures("crowds")
async def test_beyond_the_most_the_idle_go_first(
    address: str, application: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "HEAD_SECONDS", 1000.0)
    async with AsyncExitStack() as stack:
        busy = [await opened(stack, address, SLOW) for _ in range(3)]
        idle = [await opened(stack, address, GET) for _ in range(2)]
        for reader, _ in idle:
            await answered(reader)
        with capture_logs() as logged:
            for _ in range(20):
                reader, _ = await opened(stack, address, GET)
                await answered(reader)
        assert await closed(idle[0][0])
        assert await closed(idle[1][0])
        assert [line["event"] for line in logged] == ["too_many_connections"]
        application.go.set()
        for reader, _ in busy:
            await answered(reader)


@pytest.mark.usefixtures("crowds")
async def test_where_none_is_idle_a_further_one_is_told_to_come_again(
    address: str, application: Answering
) -> None:
    async with AsyncExitStack() as stack:
        busy = [await opened(stack, address, SLOW) for _ in range(5)]
        await eventually(lambda: asyncio.sleep(0, len(application.asked)), lambda asked: asked == 5)
        reader, _ = await opened(stack, address, GET)
        status, headers, body = await answer(reader)
        assert (status, headers["retry-after"]) == (503, "5")
        assert_is_problem(status, headers, body)
        application.go.set()
        for reader, _ in busy:
            await answered(reader)


@pytest.mark.usefixtures("crowds")
async def test_beyond_the_most_those_held_back_go_before_the_idle_and_no_more_once_they_are_not(
    address: str, application: Answering
) -> None:
    async with AsyncExitStack() as stack:
        idle, _ = await opened(stack, address, GET)
        await answered(idle)
        held = [await opened(stack, address, HELD) for _ in range(4)]
        await eventually(lambda: asyncio.sleep(0, len(application.asked)), lambda asked: asked == 5)
        reader, writer = await opened(stack, address, GET)
        await answered(reader)
        assert await closed(held[0][0]), "the one that was held back for longest"
        application.go.set()
        for reader, _ in held[1:]:
            await answered(reader)
        application.go.clear()
        for _, busy in [*held[1:], (reader, writer)]:
            busy.write(SLOW)
        await eventually(lambda: asyncio.sleep(0, len(application.asked)), lambda asked: asked == 10)
        further, _ = await opened(stack, address, SLOW)
        assert await closed(idle), "the only one that is not being answered"
        await eventually(lambda: asyncio.sleep(0, len(application.asked)), lambda asked: asked == 11)
        beyond, _ = await opened(stack, address, GET)
        assert (await answer(beyond))[0] == 503
        application.go.set()
        for reader, _ in [*held[1:], (further, writer)]:
            await answered(reader)


@pytest.mark.parametrize(
    ("files", "connections"),
    [(65, 33), (256, 128), (1024, 896), (1_000_000, crowd.MOST_CONNECTIONS), (-1, crowd.MOST_CONNECTIONS)],
)
def test_connections_leave_room_for_other_files(
    files: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.crowd.resource.getrlimit", lambda _: (files, files))
    assert most_connections() == connections
