"""Leases, releases and wake-ups on real databases: no order is held twice, no wake-up is lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.orders.callbacks import record_callback
from app.orders.intake import NewOrder, create_order
from app.queue import leases
from app.queue.leases import Claim
from app.secrets import Encryption
from tests.reconciler.scripted import SetClock
from tests.settings import SECRET_KEY


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still."""
    return SetClock()


@pytest.fixture
async def db(database_url: str, clock: SetClock) -> AsyncIterator[Database]:
    """A database by that clock."""
    database = Database(async_database_url(database_url), Encryption([SECRET_KEY]), clock=clock)
    yield database
    await database.dispose()


async def place(db: Database, name: str = "Site") -> UUID:
    order = await create_order(db, NewOrder("acct", name, "vanilla", None, None, None, {}), None)
    return order.id


async def claim(db: Database, limit: int = 10, lease_seconds: float = 60) -> tuple[Claim[Order], ...]:
    async with db.write() as tx:
        return (await leases.claim(tx, Order, limit=limit, lease_seconds=lease_seconds)).claims


async def release(db: Database, held: Claim[Order], due_at: datetime | None) -> bool:
    async with db.write() as tx:
        order = await leases.hold(tx, held)
        if order is None:
            return False
        leases.release(tx, order, held, due_at, not_before=order.not_before)
        return True


async def read(db: Database, order_id: UUID) -> Order:
    async with db.read() as session:
        return await session.get_one(Order, order_id)


async def test_an_order_is_claimed_once_by_many_at_once(db: Database) -> None:
    ids = {await place(db, f"Site {n}") for n in range(20)}
    got = await asyncio.gather(*(claim(db, limit=5) for _ in range(8)))
    claimed = [held.row.id for claims in got for held in claims]
    assert sorted(claimed) == sorted(set(claimed))
    assert set(claimed) | {held.row.id for held in await claim(db, limit=100)} == ids


async def test_no_more_is_claimed_than_asked_for_and_the_longest_due_first(
    db: Database, clock: SetClock
) -> None:
    ids = []
    for number in range(4):
        ids.append(await place(db, f"Site {number}"))
        clock.time += timedelta(seconds=1)
    assert {held.row.id for held in await claim(db, limit=2)} == set(ids[:2])


async def test_an_order_that_is_not_due_is_left_alone(db: Database, clock: SetClock) -> None:
    await place(db)
    clock.time -= timedelta(seconds=1)
    async with db.write() as tx:
        claimed = await leases.claim(tx, Order, limit=1, lease_seconds=60)
    assert (claimed.claims, claimed.next_due_seconds) == ((), 1.0)


async def test_a_lease_that_ran_out_is_taken_over_and_the_former_holder_can_write_nothing(
    db: Database, clock: SetClock
) -> None:
    order_id = await place(db)
    [former] = await claim(db)
    assert await claim(db) == ()
    clock.time += timedelta(seconds=60)
    [present] = await claim(db)
    assert (present.row.id, present.was_cut_off, former.was_cut_off) == (order_id, True, False)
    assert not await release(db, former, None)
    assert await release(db, present, clock.time + timedelta(hours=1))
    assert (await read(db, order_id)).due_at == clock.time + timedelta(hours=1)


async def test_a_renewed_lease_is_held_longer(db: Database, clock: SetClock) -> None:
    await place(db)
    [held] = await claim(db)
    clock.time += timedelta(seconds=50)
    async with db.write() as tx:
        order = await leases.hold(tx, held)
        assert order is not None
        renewed = leases.renew(tx, order, held, lease_seconds=60)
    assert renewed.expires_at_monotonic >= held.expires_at_monotonic
    clock.time += timedelta(seconds=50)
    assert await claim(db) == ()
    assert await release(db, renewed, None)


async def test_a_wake_up_during_a_pass_leaves_the_order_due_now(db: Database, clock: SetClock) -> None:
    order_id = await place(db)
    [held] = await claim(db)
    assert await record_callback(db, order_id, b"knock")
    assert await release(db, held, clock.time + timedelta(hours=1))
    assert (await read(db, order_id)).due_at == clock.time
    assert len(await claim(db)) == 1


async def test_a_wake_up_waits_for_retry_after(db: Database, clock: SetClock) -> None:
    order_id = await place(db)
    [held] = await claim(db)
    floor = clock.time + timedelta(seconds=30)
    async with db.write() as tx:
        order = await leases.hold(tx, held)
        assert order is not None
        order.not_before = floor
        leases.release(tx, order, held, floor + timedelta(hours=1), not_before=order.not_before)
    await record_callback(db, order_id, b"knock")
    assert (await read(db, order_id)).due_at == floor


async def test_an_order_that_became_final_is_not_due(db: Database) -> None:
    order_id = await place(db)
    [held] = await claim(db)
    assert await release(db, held, None)
    assert (await read(db, order_id)).due_at is None


async def test_a_callback_of_no_order_is_not_stored(db: Database) -> None:
    assert not await record_callback(db, UUID(int=1), b"knock")
