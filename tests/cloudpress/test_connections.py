"""How many connections there are, how long they are kept, and which of them are asked again."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from app.cloudpress import CloudPress, CloudPressError, Connections, NoAnswer, NotSent, connections
from app.cloudpress.connections import KEEP_OPEN_SECONDS, KEPT_OPEN
from tests.cloudpress.server import misbehaving, reply
from tests.harness import eventually

TASK = json.dumps({"task": {"id": 1, "status": "OK"}}).encode()


def client(made: Connections, url: str, timeout_seconds: float = 20) -> CloudPress:
    return CloudPress(made, url, token="token", account_id="acct", timeout_seconds=timeout_seconds)


async def test_few_are_kept_of_many() -> None:
    many, waiting, all_wait = KEPT_OPEN * 2, 0, asyncio.Event()

    async def together(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == many:
            all_wait.set()
        await all_wait.wait()
        await reply("200 OK", TASK)(request, writer)

    async with misbehaving(together) as server, Connections() as made:
        cloudpress = client(made, server.url)
        await asyncio.gather(*(cloudpress.task(1) for _ in range(many)))
        assert server.connections == many
        await asyncio.gather(*(cloudpress.task(1) for _ in range(many)))
        assert server.connections == many + (many - KEPT_OPEN)


@pytest.mark.parametrize(("seconds", "expected"), [(KEEP_OPEN_SECONDS - 1, 1), (KEEP_OPEN_SECONDS, 2)])
async def test_none_is_kept_for_long(monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: clock.now))
    async with misbehaving(reply("200 OK", TASK)) as server, Connections() as made:
        await client(made, server.url).task(1)
        clock.now += seconds
        await client(made, server.url).task(1)
        assert server.connections == expected


async def test_one_that_the_server_has_closed_is_not_asked() -> None:
    """Its request would be lost; a read is asked on another one at once."""
    closed = asyncio.Event()

    async def once(request: bytes, writer: asyncio.StreamWriter) -> None:
        await reply("200 OK", TASK)(request, writer)
        await closed.wait()
        writer.close()

    async with misbehaving(once) as server, Connections() as made:
        cloudpress = client(made, server.url)
        await cloudpress.task(1)
        (_, kept), *_ = made.reads(server.url)._idle
        closed.set()

        async def look() -> bool:
            return kept.is_usable

        await eventually(look, lambda is_usable: not is_usable)
        await cloudpress.task(1)
        assert (len(server.requests), server.connections) == (2, 2)


async def test_whoever_finds_none_free_in_time_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
    never, came = asyncio.Event(), asyncio.Event()

    async def silent(_request: bytes, _writer: asyncio.StreamWriter) -> None:
        came.set()
        await never.wait()

    async with misbehaving(silent) as server, Connections() as made:
        first = asyncio.create_task(client(made, server.url).task(1))
        await came.wait()
        with pytest.raises(NotSent) as caught:
            await client(made, server.url, 0.4).task(1)
        assert caught.value.kind == "pool_timeout"
        assert len(server.requests) == 1
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_one_that_becomes_free_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
    async with misbehaving(reply("200 OK", TASK)) as server, Connections() as made:
        cloudpress = client(made, server.url)
        await asyncio.gather(*(cloudpress.task(1) for _ in range(5)))
        assert (len(server.requests), server.connections) == (5, 1)


async def test_whoever_gives_up_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, out of time, cancelled: none of them takes a connection with it."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
    hang = True

    async def sometimes(request: bytes, writer: asyncio.StreamWriter) -> None:
        if hang:
            await asyncio.Event().wait()
        await reply("200 OK", TASK)(request, writer)

    async with misbehaving(sometimes) as server, Connections() as made:
        for _ in range(3):
            with pytest.raises(NoAnswer):
                await client(made, server.url, 0.2).task(1)
        asking = asyncio.create_task(client(made, server.url).task(1))
        await eventually(lambda: asyncio.sleep(0, len(server.requests)), lambda count: count == 4)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        hang = False
        assert (await client(made, server.url).task(1)).value.id == 1

    async with Connections() as made:
        for _ in range(3):
            with pytest.raises(NotSent) as caught:
                await client(made, "http://127.0.0.1:9").task(1)
            assert caught.value.kind == "connect"


async def test_all_end_with_the_process() -> None:
    came = asyncio.Event()

    async def silent(_request: bytes, _writer: asyncio.StreamWriter) -> None:
        came.set()
        await asyncio.Event().wait()

    async with misbehaving(silent) as server:
        async with Connections() as made:
            asking = asyncio.create_task(client(made, server.url).task(1))
            await came.wait()
        with pytest.raises(CloudPressError):
            await asking


async def test_what_is_given_back_after_the_end_is_closed() -> None:
    async with misbehaving(reply("200 OK", TASK)) as server, Connections() as made:
        await client(made, server.url).task(1)
        pool = made.reads(server.url)
        connection = await pool.take(20)
        await made.aclose()
        pool.give_back(connection)
        assert not connection.is_usable
