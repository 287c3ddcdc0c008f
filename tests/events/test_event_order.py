"""The numbers of events follow the order of the commits: who reads on from a number skips none."""

import asyncio
import random
from uuid import UUID

import pytest
from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from app.db import postgresql
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.db.models import Event, Order, Site
from app.db.notice import Notice
from app.db.transactions import Transaction
from app.events.reading import Interest, newest_event, read_events
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.intake import NewOrder, create_order
from app.orders.reading import read_credentials
from tests.harness import eventually, replica, waiting_for_locks

WRITERS = 8
TRANSACTIONS = 40


async def place(db: Database) -> UUID:
    return (await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)).id


async def all_ids(db: Database) -> list[int]:
    async with db.read() as session:
        return [each.id for each in await read_events(session, Interest(), after=0, limit=100_000)]


def hold_before_commit(
    monkeypatch: pytest.MonkeyPatch, order_id: UUID, reached: asyncio.Event, go_on: asyncio.Event
) -> None:
    """Have a transaction with an event of the order stand still once its events have their numbers."""
    insert = Database._insert_events

    async def hold(db: Database, transaction: Transaction) -> Notice:
        told = await insert(db, transaction)
        if any(event.order_id == order_id for event in transaction.events):
            reached.set()
            await go_on.wait()
        return told

    monkeypatch.setattr(Database, "_insert_events", hold)


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
            record(tx, order_id, EventType.LOOKED_UP)
            await asyncio.sleep(chance.random() / 500)
            record(tx, order_id, EventType.REQUEST_FAILED)


async def test_a_later_commit_has_the_higher_number(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction is held open after its event was numbered; one that begins later must wait for it."""
    async with replica(database_url) as one, replica(database_url) as other:
        held_order, later_order = await place(one), await place(one)
        before = await newest(one)
        numbered, go_on = asyncio.Event(), asyncio.Event()
        hold_before_commit(monkeypatch, held_order, numbered, go_on)
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
            record(tx, held_order, EventType.LOOKED_UP)
            await _tell(other, later_order)
            seen = await newest(other)
        async with one.read() as session:
            events = await read_events(session, Interest(), after=before)
        assert [event.order_id for event in events] == [later_order, held_order]
        assert events[0].id == seen


async def test_who_stands_still_with_the_lock_holds_up_nobody_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process is paused between the lock and the commit, as by a stop signal or a cut network."""
    monkeypatch.setattr(postgresql, "WRITE_IDLE_SECONDS", 1)
    async with replica(database_url) as one, replica(database_url) as other:
        if one.is_sqlite:
            pytest.skip("on SQLite nobody takes the lock")
        stuck_order, other_order = await place(one), await place(one)
        stuck, go_on = asyncio.Event(), asyncio.Event()
        hold_before_commit(monkeypatch, stuck_order, stuck, go_on)
        standing = asyncio.create_task(_tell(one, stuck_order))
        await stuck.wait()
        await _tell(other, other_order)
        go_on.set()
        with pytest.raises(DBAPIError) as ended:
            await standing
        assert isinstance(ended.value.orig, IdleInTransactionSessionTimeout)
        await _tell(one, stuck_order)
        async with one.read() as session:
            events = await read_events(session, Interest(types=frozenset({"order.request_failed"})), after=0)
            # Nobody inherits what was set for it: each read waits for locks as long as all do.
            as_it_was = {
                "idle_in_transaction_session_timeout": "0",
                "lock_timeout": f"{postgresql.LOCK_WAIT_SECONDS}s",
            }
            for name, value in as_it_was.items():
                raw = await session.connection()
                assert (await raw.exec_driver_sql(f"SHOW {name}")).scalar_one() == value
        assert [event.order_id for event in events] == [other_order, stuck_order]


async def test_who_waits_for_the_lock_in_vain_is_told_that_the_database_is_away(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "EVENTS_WAIT_SECONDS", 1)
    async with replica(database_url) as one:
        if one.is_sqlite:
            pytest.skip("on SQLite nobody takes the lock")
        order_id = await place(one)
        async with one.read() as session:
            await session.execute(select(func.pg_advisory_xact_lock(postgresql.EVENTS_LOCK)))
            with pytest.raises(DATABASE_AWAY):
                await _tell(one, order_id)


async def test_reading_credentials_waits_for_the_order_before_it_takes_the_lock(
    database_url: str,
) -> None:
    """Whoever holds the order's row takes the lock later: the other way round the two wait for each other."""
    async with replica(database_url) as one, replica(database_url) as other:
        if one.is_sqlite:
            pytest.skip("SQLite has one writer")
        order_id = await place(one)
        async with one.write() as tx:
            site = {"ssh": {"ipaddr": "192.0.2.1"}}
            tx.session.add(Site(order_id=order_id, id="7", details=site, answer=b"{}", read_at=tx.now))
        async with one.write() as tx:
            await tx.session.get(Order, order_id, with_for_update=True)
            record(tx, order_id, EventType.REQUEST_FAILED)
            reading = asyncio.create_task(read_credentials(other, order_id, reader=Actor("someone")))
            await eventually(lambda: waiting_for_locks(one), lambda waiting: waiting >= 1)
        credentials = await reading
        assert credentials is not None
        assert credentials.ipaddr == "192.0.2.1"
        async with one.read() as session:
            events = await read_events(session, Interest(order_id), after=0)
        assert [event.type for event in events] == [
            "order.accepted",
            "order.request_failed",
            "order.credentials_read",
        ]


async def test_the_number_of_a_deleted_event_is_never_given_again(database_url: str) -> None:
    async with replica(database_url) as db:
        order_id = await place(db)
        await _tell(db, order_id)
        given = await newest(db)
        async with db.write() as tx:
            await tx.session.execute(delete(Event).where(Event.id == given))
        await _tell(db, order_id)
        assert await newest(db) > given


async def _tell(db: Database, order_id: UUID) -> None:
    async with db.write() as tx:
        record(tx, order_id, EventType.REQUEST_FAILED)


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
