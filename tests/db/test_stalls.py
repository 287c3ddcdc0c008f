"""A server that stands still: what waits for it is cut after a while, and nothing waits for ever."""

import asyncio
import gc
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from app.db import stalls
from app.db.database import Database
from app.db.models import Order
from tests.databases import PostgresServer
from tests.harness import eventually, replica, run_presshook, run_sandbox

SOON_SECONDS = 0.05


@contextmanager
def standing_still(server: PostgresServer) -> Iterator[None]:
    """Have every process of the server stand still while the block runs."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    processes = [server.pid, *map(int, children.split())]
    for each in processes:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in processes:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


async def ask(db: Database) -> None:
    """Ask the database something."""
    async with db.read() as session:
        await session.execute(text("SELECT 1"))


async def ask_in_a_thread(db: Database) -> None:
    """Ask it in a transaction that runs in one go."""
    await db.write_whole(lambda tx: tx.connection.execute(text("SELECT 1")).scalar())


async def test_who_waits_for_a_server_that_stands_still_is_told(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_SECONDS", SOON_SECONDS)
    with server.migrated_url() as url:
        async with replica(url) as db, db.cutting_stalls(asyncio.Event()):
            await asyncio.gather(ask(db), ask_in_a_thread(db))
            with standing_still(server), capture_logs() as told:
                asked = asyncio.gather(ask(db), ask_in_a_thread(db), return_exceptions=True)
                async with asyncio.timeout(30):
                    answers = await asked
            assert [type(each) for each in answers] == [OperationalError, OperationalError]
            assert "database_silent" in [line["event"] for line in told]
            await asyncio.gather(ask(db), ask_in_a_thread(db))


async def test_a_use_that_ends_and_one_that_nobody_watches_are_left_alone(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(stalls, "MOST_LOOKS", 100)
    async with replica(postgres_url) as db:
        async with db.read() as session:
            await session.execute(text("SELECT pg_sleep(1.5)"))
        with capture_logs() as told:
            async with db.cutting_stalls(asyncio.Event()):
                for _ in range(6):
                    async with db.read() as session:
                        await session.execute(text("SELECT pg_sleep(0.25)"))
                assert [held.looks for held in db._stalls._held.values()] == [None], "nobody uses it"
    assert told == []


async def test_what_was_in_use_before_the_process_is_to_end_has_as_long_as_what_is_used_then(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(stalls, "MOST_LOOKS", 10_000)
    monkeypatch.setattr(stalls, "MOST_LOOKS_WHILE_ENDING", 100)
    ending = asyncio.Event()
    async with replica(postgres_url) as db, db.cutting_stalls(ending), db.read() as session:
        await session.execute(text("SELECT 1"))
        [held] = db._stalls._held.values()

        async def looks() -> int:
            return held.looks or 0

        await eventually(looks, lambda count: count >= 100)
        with capture_logs() as told:
            ending.set()
            await eventually(looks, lambda count: count < 100)
            await session.execute(text("SELECT 1"))
    assert told == []


async def test_the_service_ends_although_its_database_stands_still(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_SECONDS", SOON_SECONDS)
    monkeypatch.setattr(stalls, "MOST_LOOKS", 10_000)
    with server.migrated_url() as url, ExitStack() as held:
        async with (
            run_sandbox(task_seconds=3600) as sandbox,
            asyncio.timeout(30),
            run_presshook(url, sandbox.url) as presshook,
        ):
            order = (await presshook.order("Outlives its database")).json()
            secret = presshook.service.callback_secrets.authorization(UUID(order["id"]))
            path = f"/v1/callbacks/{order['id']}"
            db = presshook.service.db
            held.enter_context(standing_still(server))
            # The reconciler is woken, and its claim waits for an answer, as does what a thread writes.
            presshook.service.signals.due_of(Order).set()
            called = asyncio.create_task(presshook.client.post(path, headers={"Authorization": secret}))
            await eventually(lambda: asyncio.sleep(0, db.connections_in_use()), lambda count: count > 0)
            presshook.service.signals.stop()
            assert (await called).status_code == 503


async def test_nothing_stays_open_of_a_connection_that_failed_while_it_was_made(
    server: PostgresServer,
) -> None:
    with server.url_of_encoding("SQL_ASCII") as url, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the driver's own, of what SQLAlchemy leaves to it
        async with replica(url) as db:
            before = len(list(Path("/proc/self/fd").iterdir()))
            for _ in range(5):
                with pytest.raises(OperationalError):
                    await ask(db)
            gc.collect()
            assert len(list(Path("/proc/self/fd").iterdir())) <= before
