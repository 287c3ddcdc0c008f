"""One exchange on one connection: what lies there before it, what comes after it, and whose turn it is."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore
import pytest

from app.network.answers import NotAloneError
from app.network.exchanges import Connection, Route
from app.network.http1 import AnswerParser
from app.network.wire import BUFFER_BYTES, PIECE_BYTES, Wire
from tests.certificates import Authority
from tests.harness import eventually

MOST = 1024 * 1024
ASK = b"GET / HTTP/1.1\r\nHost: any\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TIMEOUT_SECONDS = 20.0


class Server:
    """Answers each request with the next of `answers`, and ends the connection after the last one."""

    def __init__(self, greeting: bytes, answers: list[bytes]) -> None:
        """Say `greeting` before anything is asked."""
        self.greeting = greeting
        self.answers = answers
        self.writers: list[asyncio.StreamWriter] = []
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            writer.write(self.greeting)
            for answer in self.answers:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answers: list[bytes], authority: Authority | None, greeting: bytes = b""
) -> AsyncIterator[tuple[Server, Route]]:
    """Run a server, and tell the way there."""
    told = Server(greeting, answers)
    context = authority.server_context("localhost") if authority else None
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    tls = ssl.create_default_context(cadata=authority.pem) if authority else ssl.create_default_context()
    async with server:
        yield told, Route("https" if authority else "http", "localhost", port, tls)
        for writer in told.writers:
            writer.close()


@pytest.fixture(params=["plain", "tls"])
def authority(request: pytest.FixtureRequest) -> Authority | None:
    """Every connection, with TLS and without."""
    return Authority() if request.param == "tls" else None


async def ask(connection: Connection) -> bytes:
    answer = AnswerParser(most=MOST)
    await connection.settle()
    connection.send(ASK)
    await connection.receive(answer)
    return bytes(answer.body)


async def is_not_usable(connection: Connection) -> None:
    async def look() -> bool:
        return connection.is_usable

    await eventually(look, lambda is_usable: not is_usable)


async def test_one_after_the_other(authority: Authority | None) -> None:
    async with serving([ANSWER, ANSWER.replace(b"{}", b"[]"), b""], authority) as (server, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        assert await ask(connection) == b"{}"
        assert connection.is_usable
        assert await ask(connection) == b"[]"
        assert server.heads == [ASK, ASK]
        connection.close()
        assert not connection.is_usable


async def test_one_that_was_not_asked_yet_is_no_other_ones(authority: Authority | None) -> None:
    async with serving([ANSWER], authority) as (_, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        assert not connection.is_usable, "whoever gives it back unused closes it"
        connection.close()


async def test_an_answer_before_the_request_is_none(authority: Authority | None) -> None:
    async with serving([b""], authority, greeting=ANSWER) as (server, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        await is_there(connection)
        with pytest.raises(httpcore.RemoteProtocolError, match="before the request"):
            await connection.settle()
        connection.close()
        assert server.heads == []


async def test_a_connection_that_ended_before_the_request_is_not_asked(authority: Authority | None) -> None:
    async with serving([], authority) as (server, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        await is_there(connection)
        with pytest.raises(httpcore.ConnectError, match="closed before the request"):
            await connection.settle()
        assert server.heads == []


async def is_there(connection: Connection) -> None:
    """Wait until something has come, were it the end."""
    wire = connection._wire
    await asyncio.wait_for(wire.come(), TIMEOUT_SECONDS)


async def test_one_on_which_more_comes_later_is_not_used_again(authority: Authority | None) -> None:
    async with serving([ANSWER, b""], authority) as (server, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        await ask(connection)
        assert connection.is_usable
        server.writers[0].write(ANSWER)
        await is_not_usable(connection)
        connection.close()


async def test_one_that_ended_is_not_used_again(authority: Authority | None) -> None:
    async with serving([ANSWER], authority) as (_, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        await ask(connection)
        await is_not_usable(connection)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), "it says so"),
        (ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"), "HTTP/1.0"),
        (ANSWER + b"\r\n", "who knows what follows an empty line"),
    ],
)
async def test_one_whose_answer_was_the_last_is_not_used_again(answer: bytes, reason: str) -> None:
    async with serving([answer, b""], None) as (_, route):
        connection = await route.connect(TIMEOUT_SECONDS)
        assert await ask(connection) == b"{}"
        assert not connection.is_usable, reason
        connection.close()


def connected() -> tuple[Wire, Connection]:
    """Return a connection to nobody."""
    wire = Wire()
    return wire, Connection(wire)


async def test_a_large_answer_is_taken_apart_in_turns() -> None:
    """Other work of the process goes on, however much lies there."""
    wire, connection = connected()
    wire.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.data_received(b"5\r\n     \r\n" * (BUFFER_BYTES // 10) + b"0\r\n\r\n")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    pieces = len(wire.buffer) // PIECE_BYTES
    other = asyncio.create_task(others())
    answer = AnswerParser(most=MOST)
    await connection.receive(answer)
    other.cancel()
    assert len(answer.body) == BUFFER_BYTES // 10 * 5
    assert turns >= pieces


@pytest.mark.parametrize("late", [b"x", ANSWER, b"\r\n\x00"])
async def test_what_comes_while_the_answer_is_read_counts(late: bytes) -> None:
    wire, connection = connected()
    wire.data_received(ANSWER)
    asyncio.get_running_loop().call_soon(wire.data_received, late)
    with pytest.raises(NotAloneError):
        await connection.receive(AnswerParser(most=MOST))
    assert not connection.is_usable


async def test_what_came_before_the_connection_broke_is_read() -> None:
    wire, connection = connected()
    wire.data_received(ANSWER)
    wire.connection_lost(ConnectionResetError())
    answer = AnswerParser(most=MOST)
    await connection.receive(answer)
    assert answer.body == b"{}"


async def test_a_body_that_ends_with_the_connection_does_not_end_with_its_breaking() -> None:
    wire, connection = connected()
    wire.data_received(b"HTTP/1.0 200 OK\r\n\r\n{}")
    wire.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
    with pytest.raises(httpcore.ReadError, match="reset by peer"):
        await connection.receive(AnswerParser(most=MOST))
