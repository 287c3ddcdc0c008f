"""Short waits: who waits for longer than a moment leaves the event loop to others, and can be cancelled."""

import asyncio
import socket

import psycopg
import pytest

from tests.short_waits import LOOKS, wait_shortly

LOCK = "SELECT pg_advisory_xact_lock(1)"


async def test_who_waits_for_a_lock_holds_up_nobody(postgres_url: str) -> None:
    assert psycopg.AsyncConnection.wait is wait_shortly
    async with (
        await psycopg.AsyncConnection.connect(postgres_url) as first,
        await psycopg.AsyncConnection.connect(postgres_url) as second,
    ):
        await first.execute(LOCK)
        waiting = asyncio.create_task(second.execute(LOCK))
        for _ in range(5):
            await asyncio.sleep(0.001)
            await first.execute("SELECT 1")
        assert not waiting.done()
        await first.commit()
        assert await (await waiting).fetchone() == ("",)


async def test_who_waits_for_a_lock_can_be_cancelled(postgres_url: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(postgres_url) as first,
        await psycopg.AsyncConnection.connect(postgres_url) as second,
    ):
        await first.execute(LOCK)
        waiting = asyncio.create_task(second.execute(LOCK))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await second.rollback()
        assert await (await second.execute("SELECT 2")).fetchone() == (2,)


async def test_what_can_run_runs_before_an_answer_is_waited_for(postgres_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "another")
        await connection.execute("SELECT pg_sleep(0.01)")
        order.append("answered")
        assert order == ["another", "answered"]


async def test_a_connection_that_is_cut_is_told_so(postgres_url: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as first,
        await psycopg.AsyncConnection.connect(postgres_url) as second,
    ):
        await first.execute("SELECT pg_terminate_backend(%s, 5000)", (second.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            await second.execute("SELECT 1")


async def test_who_asks_again_and_again_lets_others_hear_of_their_answers(postgres_url: str) -> None:
    ours, theirs = socket.socketpair()
    heard = asyncio.Event()
    with ours, theirs:
        asyncio.get_running_loop().add_reader(ours, heard.set)
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            theirs.send(b"an answer")
            for _ in range(2 * LOOKS):
                await connection.execute("SELECT 1")
        asyncio.get_running_loop().remove_reader(ours)
    assert heard.is_set()
