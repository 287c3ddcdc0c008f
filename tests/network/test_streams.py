"""Connections of which everything that came in is at hand."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore
import pytest

from app.network.streams import Backend, Stream
from tests.certificates import Authority
from tests.harness import eventually

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def connected(said: bytes, *, tls: Authority | None) -> AsyncIterator[tuple[Stream, asyncio.Event]]:
    """Yield a connection to a server that says something at once, and closes once the event is set."""
    ending, done = asyncio.Event(), asyncio.Event()

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await ending.wait()
        writer.close()
        done.set()

    context = tls.server_context("localhost") if tls else None
    server = await asyncio.start_server(speak, "127.0.0.1", 0, ssl=context)
    stream = await Backend().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        if tls:
            trusting = ssl.create_default_context(cadata=tls.pem)
            stream = await stream.start_tls(trusting, server_hostname="localhost")
        yield stream, ending
    finally:
        ending.set()
        await stream.aclose()
        await done.wait()
        server.close()


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> Authority | None:
    """Every connection, with TLS and without."""
    return Authority() if request.param == "tls" else None


async def test_an_answer_before_the_request_is_none(tls: Authority | None) -> None:
    async with connected(ANSWER, tls=tls) as (stream, _):
        await until_readable(stream)
        with pytest.raises(httpcore.RemoteProtocolError, match="before the request"):
            await stream.write(b"POST / HTTP/1.1\r\n\r\n")


async def test_what_comes_while_nobody_asks_makes_it_readable(tls: Authority | None) -> None:
    async with connected(b"", tls=tls) as (stream, ending):
        ending.set()
        await until_readable(stream)
        assert await stream.read(1) == b""


async def test_what_is_there_is_read_although_no_time_is_left(tls: Authority | None) -> None:
    async with connected(ANSWER, tls=tls) as (stream, _):
        await until_readable(stream)
        assert await stream.read(1000, timeout=0) == ANSWER
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1000, timeout=0)


async def until_readable(stream: Stream) -> None:
    async def look() -> bool:
        return bool(stream.get_extra_info("is_readable"))

    await eventually(look, bool)
