"""SQLite's write transactions, whose statements run on the event loop."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app.db import engine
from app.db.database import Database
from app.db.models import Event
from app.db.url import async_database_url
from app.events.timeline import record
from app.events.types import EventType
from app.secrets import Encryption
from tests.databases import SqliteFiles
from tests.harness import eventually
from tests.settings import SECRET_KEY


@pytest.fixture
async def url(sqlite_files: SqliteFiles, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    request.node.user_properties.append(("database", "sqlite"))
    with sqlite_files.migrated_url() as url:
        yield url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = Database(async_database_url(url), Encryption([SECRET_KEY]))
    assert await count(db) == 0
    yield db
    await db.dispose()


async def write(db: Database) -> None:
    async with db.write() as tx:
        record(tx, None, EventType.SERVICE_RESTORED)


async def count(db: Database) -> int:
    async with db.read() as session:
        return (await session.execute(select(func.count(Event.id)))).scalar_one()


def other_process(url: str) -> sqlite3.Connection:
    """Return a connection as another process has it, which is writing."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_while_another_process_writes_the_event_loop_goes_on(db: Database, url: str) -> None:
    other = other_process(url)
    writing = asyncio.create_task(write(db))

    async def waits() -> bool:
        return writing.get_stack() != [] and not writing.done()

    assert await eventually(waits, bool)
    assert await count(db) == 0
    other.execute("COMMIT")
    await writing
    assert await count(db) == 1
    other.close()


async def test_another_process_that_never_ends_is_not_waited_for_without_end(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_process(url)
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.05)
    impatient = Database(async_database_url(url), Encryption([SECRET_KEY]))
    assert await count(db) == 0
    with pytest.raises(OperationalError):
        await write(impatient)
    other.execute("ROLLBACK")
    await write(impatient)
    assert await count(db) == 1
    other.close()
    await impatient.dispose()


async def test_who_is_cancelled_leaves_all_or_nothing_and_the_writer_free(db: Database) -> None:
    for steps in range(12):
        before = await count(db)
        writing = asyncio.create_task(write(db))
        for _ in range(steps):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert await count(db) - before in {0, 1}
        await write(db)
