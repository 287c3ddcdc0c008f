"""The numbers of events follow the order of the commits: who reads on from a number skips none."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import async_database_url
from app.db import Database
from app.events import Interest, newest_event, read_events
from app.orders import NewOrder, create_order
from app.secrets import Encryption
from app.timeline import record
from tests.conftest import SECRET_KEY
from tests.harness import eventually

WRITERS = 8
TRANSACTIONS = 40


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Database]:
    """The database as one process has it."""
    database = Database(async_database_url(url), Encryption([SECRET_KEY]))
    try:
        yield database
    finally:
        await database.dispose()


async def place(db: Database) -> UUID:
    return (await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)).id


async def all_ids(db: Database) -> list[int]:
    async with db.read() as session:
        return [each.id for each in await read_events(session, Interest(), after=0, limit=100_000)]


async def test_a_reader_skips_nothing_while_many_write(database_url: str) -> None:
    async with replica(database_url) as one, replica(database_url) as other:
        order_ids = [await place(one) for _ in range(WRITERS)]
        chance = random.Random(7)
        writing = [
            asyncio.create_task(_write(chance, (one, other)[number % 2], order_id))
            for number, order_id in enumerate(order_ids)
        ]
        got: list[int] = []
        done = asyncio.create_task(asyncio.wait(writing))
        while True:
            last_look = done.done()
            async with other.read() as session:
                got += [
                    each.id for each in await read_events(session, Interest(), after=got[-1] if got else 0)
                ]
            if last_look:
                break
        for task in writing:
            task.result()
        assert got == await all_ids(one)
        assert len(got) == WRITERS + WRITERS * TRANSACTIONS * 2


async def _write(chance: random.Random, db: Database, order_id: UUID) -> None:
    for _ in range(TRANSACTIONS):
        async with db.write() as tx:
            record(tx, order_id, "first")
            await asyncio.sleep(chance.random() / 500)
            record(tx, order_id, "second")


async def test_a_later_commit_has_the_higher_number(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction is held open after its event was numbered; one that begins later must wait for it."""
    async with replica(database_url) as one, replica(database_url) as other:
        held_order, later_order = await place(one), await place(one)
        before = await newest(one)
        numbered, go_on = asyncio.Event(), asyncio.Event()
        commit = AsyncSession.commit

        async def hold(session: AsyncSession) -> None:
            if any(getattr(row, "order_id", None) == held_order for row in session):
                numbered.set()
                await go_on.wait()
            await commit(session)

        monkeypatch.setattr(AsyncSession, "commit", hold)
        holding = asyncio.create_task(_tell(one, held_order))
        await numbered.wait()
        later = asyncio.create_task(_tell(other, later_order))
        if not one.is_sqlite:
            await eventually(lambda: _waiting_for_the_lock(one), lambda waiting: waiting == 1)
        assert not later.done()
        assert await newest(one) == before
        go_on.set()
        await asyncio.gather(holding, later)
        async with one.read() as session:
            events = await read_events(session, Interest(), after=before)
        assert [event.order_id for event in events] == [held_order, later_order]


async def test_a_transaction_that_is_held_open_before_its_end_is_numbered_at_its_end(
    database_url: str,
) -> None:
    async with replica(database_url) as one, replica(database_url) as other:
        if one.is_sqlite:
            pytest.skip("SQLite has one writer: nothing can commit while another transaction is open")
        held_order, later_order = await place(one), await place(one)
        before = await newest(one)
        async with one.write() as tx:
            record(tx, held_order, "begun_first")
            await _tell(other, later_order)
            seen = await newest(other)
        async with one.read() as session:
            events = await read_events(session, Interest(), after=before)
        assert [event.order_id for event in events] == [later_order, held_order]
        assert events[0].id == seen


async def _tell(db: Database, order_id: UUID) -> None:
    async with db.write() as tx:
        record(tx, order_id, "told")


async def newest(db: Database) -> int:
    async with db.read() as session:
        return await newest_event(session)


async def _waiting_for_the_lock(db: Database) -> int:
    async with db.read() as session:
        waiting = await (await session.connection()).exec_driver_sql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(waiting.scalar_one())
