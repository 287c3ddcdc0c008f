"""Requests through a real proxy, which says yes, no, nothing, or too much."""

# ruff: noqa: E501 - the tables read by their lines

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.cloudpress import BadAnswer, CloudPress, CloudPressError, Connections, NoAnswer, NotSent, SiteOrder
from tests.certificates import Authority

PLACED = json.dumps({"order": {"id": "o-1"}}).encode()
ONE = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(PLACED), PLACED)
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SITE = SiteOrder(name="Site", variant="vanilla")


@dataclass
class Proxy:
    """A proxy that is CloudPress as well: it answers what it is to tunnel."""

    url: str = ""
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def proxy(connect: bytes, authority: Authority, answer: bytes = ONE) -> AsyncIterator[Proxy]:
    """Run one that answers CONNECT so, and then speaks TLS as `cloudpress.invalid`."""
    running = Proxy()
    context = authority.server_context("cloudpress.invalid")
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                running.heads.append(head)
                if head.startswith(b"CONNECT"):
                    writer.write(connect)
                    await writer.drain()
                    if not connect.startswith(ESTABLISHED[:12]):
                        continue
                    await writer.start_tls(context)
                else:
                    writer.write(answer)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    running.url = f"http://user:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that is trusted."""
    made = Authority()
    path = tmp_path / "authority.pem"
    path.write_text(made.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return made


async def place(url: str, timeout_seconds: float = 20) -> str:
    async with Connections() as connections:
        cloudpress = CloudPress(
            connections, url, token="s3cr3t-token", account_id="acct", timeout_seconds=timeout_seconds
        )
        placed = await cloudpress.place(
            SITE, callback_url="http://127.0.0.1/v1/callbacks/1", callback_authorization="Bearer s3cr3t"
        )
        return placed.value.order_id


async def test_a_tunnel(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(ESTABLISHED, authority) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        assert await place("https://cloudpress.invalid") == "o-1"
    connect, request = running.heads
    assert connect.startswith(b"CONNECT cloudpress.invalid:443 HTTP/1.1\r\n")
    assert base64.b64encode(b"user:p@ss") in connect
    assert b"s3cr3t" not in connect
    assert request.startswith(b"POST /api/orders HTTP/1.1\r\nHost: cloudpress.invalid\r\n")
    assert b"Proxy-Authorization" not in request


async def test_a_request_that_is_handed_on(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(b"", authority) as running:
        monkeypatch.setenv("ALL_PROXY", running.url)
        assert await place("http://cloudpress.invalid:81") == "o-1"
    assert running.heads[0].startswith(b"POST http://cloudpress.invalid:81/api/orders HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("connect", "kind", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "proxy", "it wants a password"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "proxy", "it cannot"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "connect", "it is none"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "connect", "it never gets to the point"),
        (b"", "connect_timeout", "it says nothing"),
    ],
)  # fmt: skip
async def test_before_the_tunnel_stands_nothing_is_sent(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, connect: bytes, kind: str, reason: str
) -> None:
    async with proxy(connect, authority) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        with pytest.raises(NotSent) as caught:
            await place("https://cloudpress.invalid", 1 if kind == "connect_timeout" else 20)
    assert caught.value.kind == kind, reason
    assert all(b"s3cr3t" not in head for head in running.heads)


@pytest.mark.parametrize(
    ("answer", "kind_of"), [(ONE + ONE, BadAnswer), (ONE[:-1], NoAnswer), (b"no\r\n\r\n", NoAnswer)]
)
async def test_within_the_tunnel_all_is_as_ever(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, answer: bytes, kind_of: type[CloudPressError]
) -> None:
    async with proxy(ESTABLISHED, authority, answer) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        with pytest.raises(kind_of):
            await place("https://cloudpress.invalid", 2)


async def test_what_stands_in_no_proxy_is_asked_straight(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy(ESTABLISHED, authority) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,::1,fe80::/10,.invalid")
        with pytest.raises(NotSent):
            await place("https://cloudpress.invalid")
    assert running.heads == []
