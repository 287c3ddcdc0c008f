"""Who sends no whole request holds no connection for long: raw sockets against the server as it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from app.main import Service
from app.server import process, protocol
from app.server.embedded import listen, serving
from app.server.protocol import TimedHeads
from tests.harness import LOOK_SECONDS, PATIENCE_SECONDS
from tests.settings import make_settings

HALF = b"GET / HTTP/1.1\r\nHost: presshook.test\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Answering:
    """An application that reads no body, and answers `/slow` when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError  # which uvicorn takes for having no lifespan
        if scope["path"] == "/slow":
            await self.go.wait()
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def application() -> Answering:
    return Answering()


@pytest.fixture
async def address(application: Answering, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a server that waits for no head for long."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    async with serving(application, listen("127.0.0.1", 0)) as url:
        yield url


@asynccontextmanager
async def connected(url: str, *sent: bytes) -> AsyncIterator[Connection]:
    """Connect, and send something."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.writelines(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answered(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait for the other side to close; tell whether that was all that came."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"", "nothing at all"), (b"G", "the first letter"), (HALF, "a head without its end")],
)
async def test_a_connection_without_a_whole_head_is_closed(address: str, sent: bytes, reason: str) -> None:
    async with connected(address, sent) as (reader, _):
        assert await closed(reader), reason


async def test_dripping_gives_no_more_time(address: str) -> None:
    async with connected(address, HALF) as (reader, writer):
        ending = asyncio.create_task(closed(reader))
        while not ending.done():
            writer.write(b"x")
            await asyncio.sleep(LOOK_SECONDS)
        assert await ending


async def test_the_head_of_a_later_request_has_no_more_time(address: str) -> None:
    async with connected(address, HALF, b"\r\n") as (reader, writer):
        await answered(reader)
        writer.write(HALF)
        assert await closed(reader)


async def test_a_body_that_drips_after_its_answer_holds_nothing(address: str) -> None:
    head = b"POST / HTTP/1.1\r\nHost: presshook.test\r\nContent-Length: 100\r\n\r\n"
    async with connected(address, head) as (reader, writer):
        await answered(reader)
        writer.write(b"x")
        assert await closed(reader)


async def test_an_answer_may_take_longer(address: str, application: Answering) -> None:
    slow = HALF.replace(b"/", b"/slow", 1)
    async with connected(address, slow, b"\r\n") as (waiting, _), connected(address, HALF) as (later, _):
        assert await closed(later), "so that the time of the first is up as well"
        application.go.set()
        await answered(waiting)


def test_serve_speaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = []
    # The real one ends with a signal alone, and the real time is too long to wait for.
    monkeypatch.setattr(process.Server, "run", lambda server: spoken.append(server.config.http))
    service = Service(make_settings("sqlite:///unused.db"))
    process.run_server(service, host="127.0.0.1", port=0, reconcile=False)
    assert spoken == [TimedHeads]
