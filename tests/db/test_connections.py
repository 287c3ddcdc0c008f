"""Connections to PostgreSQL: replaced where they are broken, and what is prepared on them."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from app.db import engine
from app.db.database import Database
from app.db.postgresql import LOCK_WAIT_SECONDS
from app.db.url import async_database_url
from app.secrets import Encryption
from tests.databases import plain_engine
from tests.harness import run_presshook, run_sandbox
from tests.settings import SECRET_KEY

OFTEN = engine.PREPARE_AFTER + 3


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    yield db
    await db.dispose()


async def prepared(db: Database) -> int:
    """Return how many statements are prepared on a connection that was used often."""
    for _ in range(OFTEN):
        async with db.write() as tx:
            await tx.session.execute(text("SELECT 1"))
    async with db.read() as session:
        return int((await session.execute(text("SELECT count(*) FROM pg_prepared_statements"))).scalar_one())


async def test_statements_that_come_again_are_prepared(db: Database) -> None:
    assert await prepared(db) > 0


async def test_reading_makes_no_connection_forget_what_is_prepared(db: Database) -> None:
    before = await prepared(db)
    for _ in range(3):
        async with db.read() as session:
            await session.execute(text("SELECT 2"))
    async with db.read() as session:
        left = await session.execute(text("SELECT count(*) FROM pg_prepared_statements"))
        assert int(left.scalar_one()) >= before


async def test_behind_a_pooler_nothing_is_prepared(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler names a process of its own making, and each transaction may go to another one."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)
    assert await prepared(db) == 0


async def server_process(db: Database) -> int:
    """Return which process of the server a transaction runs in."""
    async with db.read() as session:
        return int((await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def test_the_connection_that_was_used_last_is_used_next(db: Database) -> None:
    await fill_pool(db)
    assert len({await server_process(db) for _ in range(5)}) == 1


async def test_unused_connections_are_kept_alive(db: Database) -> None:
    """The system's own span is two hours, and firewalls forget a connection long before."""
    async with db.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        assert driver.info.get_parameters()["keepalives_idle"] == "60"


async def cut_all_others(db: Database) -> None:
    """Cut every connection but one, which is then no more in the pool."""
    async with db.read() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        await session.invalidate()


async def fill_pool(db: Database) -> None:
    """Have several connections in the pool."""
    async with db.write() as one, db.write() as other, db.read() as session:
        for each in (one.session, other.session, session):
            await each.execute(text("SELECT 1"))


async def test_a_write_begins_again_on_a_new_connection(db: Database) -> None:
    await fill_pool(db)
    await cut_all_others(db)
    for _ in range(3):
        async with db.write() as tx:
            await tx.session.execute(text("SELECT 1"))


async def test_a_connection_that_nobody_used_for_a_moment_is_looked_at_first(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 0)
    await fill_pool(db)
    await cut_all_others(db)
    for _ in range(3):
        async with db.read() as session:
            await session.execute(text("SELECT 1"))


async def test_a_read_waits_no_longer_for_who_locks_a_table_than_a_write_does(db: Database) -> None:
    async with db.read() as session:
        limit = (await session.execute(text("SHOW lock_timeout"))).scalar_one()
    assert limit == f"{LOCK_WAIT_SECONDS}s"


async def test_behind_a_pooler_nothing_is_left_set_for_the_next(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)
    async with db.read() as session:
        assert (await session.execute(text("SHOW lock_timeout"))).scalar_one() == "0"


async def test_what_a_locked_table_keeps_from_an_answer_is_told(postgres_url: str) -> None:
    with plain_engine(postgres_url) as engine, engine.begin() as other:
        async with run_sandbox() as sandbox, run_presshook(postgres_url, sandbox.url) as presshook:
            assert (await presshook.client.get("/v1/orders")).status_code == 200
            # In a thread: a transaction of the service that holds the table ends on this event loop.
            await asyncio.to_thread(other.execute, text("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"))
            answer = await presshook.client.get("/v1/orders")
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:presshook:problem:database-away")
            other.rollback()
