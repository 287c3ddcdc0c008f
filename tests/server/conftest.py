"""The server as it runs, on the loop that it runs on and on asyncio's own, and raw sockets against it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from app.api.middleware.headers import SECURITY
from app.api.middleware.places import offered
from app.server import crowd
from app.server.embedded import serving
from app.server.listening import listen
from tests.harness import PATIENCE_SECONDS

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on both loops: `serve` runs on the first, the demo on the second."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


class Answering:
    """An application: `/slow` and `/held` wait for `go`, `/read` reads the body, `/large` is 4 MiB."""

    large = b"x" * 4 * 1024 * 1024

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[Scope] = []
        self.messages = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError  # which uvicorn takes for having no lifespan
        self.asked.append(scope)
        body = b"ok"
        match scope["path"]:
            case "/slow":
                await self.go.wait()
            case "/held":
                with offered(scope):
                    await self.go.wait()
            case "/large":
                body = self.large
            case "/endless":
                await self._go_on(receive, send)
            case "/broken":
                raise ZeroDivisionError("s3cr3t")
            case "/read":
                body = await self._read(receive)
        headers = [(b"content-length", str(len(body)).encode())]
        if scope["path"] == "/unsized":
            headers = []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _go_on(self, receive: Receive, send: Send) -> None:
        await receive()
        left = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.done():
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0)

    async def _read(self, receive: Receive) -> bytes:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"gone"
            self.messages += 1
            body += message["body"]
            if not message["more_body"]:
                return b"%d" % len(body)


@pytest.fixture
def application() -> Answering:
    return Answering()


@pytest.fixture
async def address(application: Answering, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a server that waits for nothing for long."""
    monkeypatch.setattr(crowd, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(crowd, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(crowd, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(crowd, "STUCK_SECONDS", 0.5)
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


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer whose length is told: its status, its headers, its body."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body


def assert_is_problem(status: int, headers: dict[str, str], body: bytes) -> None:
    """Hold a refusal of the server's own against what all answers and errors of the service carry."""
    assert headers["content-type"] == "application/problem+json"
    assert str(UUID(headers["x-request-id"])) == headers["x-request-id"]
    assert headers.items() >= {name.lower(): value for name, value in SECURITY.items()}.items()
    told = json.loads(body)
    assert told.keys() == {"type", "title", "status", "detail"}
    assert told["status"] == status
    assert told["type"].startswith("urn:presshook:problem:")


async def answered(reader: asyncio.StreamReader) -> None:
    """Read one answer that is `ok`."""
    status, _, body = await answer(reader)
    assert (status, body) == (200, b"ok")


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait for the other side to close; tell whether that was all that came."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True
