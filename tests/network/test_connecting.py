"""Connecting to a name that has several addresses, some of which do not answer."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from app.network import connecting
from app.network.wire import Wire


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server on one address of this machine."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def have(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Give every name these addresses."""

    async def addresses_of(_host: str, _port: int) -> list[str]:
        return list(addresses)

    monkeypatch.setattr(connecting, "_addresses", addresses_of)


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"), ("silent", "127.0.0.1")],
)
async def test_whichever_answers(
    monkeypatch: pytest.MonkeyPatch, port: int, addresses: tuple[str, ...]
) -> None:
    have(monkeypatch, *addresses)
    if "silent" in addresses:
        only_some_answer(monkeypatch)
    wire = await connecting.connect(Wire, "name.example", port)
    assert wire.transport is not None
    assert wire.transport.get_extra_info("peername")[0] == "127.0.0.1"
    wire.transport.abort()
    assert len(asyncio.all_tasks()) == 1, "nobody goes on trying"


def only_some_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the address `silent` never answer."""
    really = connecting._connect

    async def connect(make: type[Wire], address: str, port: int, local: str | None) -> Wire:
        if address == "silent":
            await asyncio.Event().wait()
        return await really(make, address, port, local)

    monkeypatch.setattr(connecting, "_connect", connect)


async def test_none_answers(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    have(monkeypatch, "127.0.0.2", "127.0.0.3")
    with pytest.raises(OSError, match=r"127\.0\.0\.2|refused"):
        await connecting.connect(Wire, "name.example", port)
    have(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        await connecting.connect(Wire, "name.example", port)


async def test_the_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        *(
            (socket.AF_INET6, (address, 443, 0, 0))
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3")
        ),
        *((socket.AF_INET, (address, 443)) for address in ("192.0.2.1", "192.0.2.1")),
    ]

    class Loop:
        async def getaddrinfo(self, *_arguments: object, **_options: object) -> list[tuple[object, ...]]:
            return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in found]

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    addresses = await connecting._addresses("name.example", 443)
    assert addresses == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]


async def test_a_name_is_looked_up(port: int) -> None:
    wire = await connecting.connect(Wire, "localhost", port)
    assert wire.transport is not None
    wire.transport.abort()


async def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(OSError, match=r"."):
        await connecting.connect(Wire, "name.invalid", 1)
