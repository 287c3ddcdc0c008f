"""Leases, releases and wake-ups on real databases: no order is held twice, no wake-up is lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.db.clock import DatabaseClock
from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.orders.callbacks import record_callback
from app.orders.intake import NewOrder, create_order
from app.orders.waking import MAKE_DUE, make_due, making_due
from app.queue import leases
from app.queue.clock_watch import STEP_SECONDS, ClockWatch
from app.queue.leases import Claim
from app.secrets import Encryption
from tests.reconciler.scripted import SetClock
from tests.settings import SECRET_KEY


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
    clock.step(-1)
    async with db.write() as tx:
        claimed = await leases.claim(tx, Order, limit=1, lease_seconds=60)
    assert (claimed.claims, claimed.next_due_seconds) == ((), 1.0)


async def looked(db: Database, only: ColumnElement[bool] | None = None) -> tuple[int, float | None]:
    """Return how many rows a claim gets, and in how many seconds there is more to get."""
    async with db.write() as tx:
        claimed = await leases.claim(tx, Order, limit=10, lease_seconds=60, only=only)
    assert not claimed.is_more_due
    return len(claimed.claims), claimed.next_due_seconds


async def test_a_claim_tells_when_there_is_more_to_claim(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    assert await looked(db) == (0, None)
    await place(db)
    assert await looked(db) == (1, 60), "whoever holds it may die"
    clock.time += timedelta(seconds=20)
    assert await looked(db) == (0, 40), "its lease ends by the machine's own count"
    assert await looked(far_db) == (0, 40), "or by the database's clock"
    await place(db)
    clock.step(-10)
    assert await looked(db) == (0, 10), "what is due sooner is not waited for longer"
    clock.step(10)
    assert await looked(far_db) == (1, 40)


@pytest.mark.parametrize("is_far", [False, True])
async def test_what_is_passed_over_is_no_reason_to_look_again_at_once(
    db: Database, far_db: Database, clock: SetClock, *, is_far: bool
) -> None:
    await place(db)
    await claim(db)
    clock.time += timedelta(seconds=61)
    await place(db)
    passed_over = Order.account_id != "acct"
    assert await looked(far_db if is_far else db, passed_over) == (0, None)


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
    assert renewed.expires_at_uptime >= held.expires_at_uptime
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


# --- clocks that step, machines that sleep ------------------------------------------------------------


class Elsewhere(SetClock):
    """The same time on another machine."""

    boot = "another machine"

    def __init__(self, clock: SetClock) -> None:
        super().__init__()
        self._clock = clock

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the database's time, which is one for all."""
        return await self._clock.now(session, *also)

    def uptime(self) -> float:
        """Return another uptime."""
        return self._clock.uptime() - 5_000_000


@pytest.fixture
async def far_db(database_url: str, clock: SetClock) -> AsyncIterator[Database]:
    """The same database, seen from another machine."""
    database = Database(async_database_url(database_url), Encryption([SECRET_KEY]), clock=Elsewhere(clock))
    yield database
    await database.dispose()


async def news_of(db: Database, order_id: UUID, *, together: bool) -> None:
    """Have an order looked at, alone or `together` with what else there is news of."""
    if together:
        await db.write_whole(
            lambda tx: [
                tx.connection.execute(MAKE_DUE, each)
                for each in making_due(tx, {order_id: 1}, fresh={order_id}, accounts={"acct"})
            ]
        )
        return
    async with db.write() as tx:
        make_due(tx, await tx.session.get_one(Order, order_id, with_for_update=True))


async def watched(db: Database, watch: ClockWatch) -> tuple[Claim[Order], ...]:
    async with db.write() as tx:
        watch.see(tx)
        await watch.mend(tx, Order)
        return (await leases.claim(tx, Order, limit=10, lease_seconds=60, watch=watch)).claims


async def test_no_step_ends_a_lease_early_or_late_on_the_same_machine(db: Database, clock: SetClock) -> None:
    for step in (3600, -7200):
        await place(db)
        [held] = await claim(db)
        clock.step(step)
        clock.time += timedelta(seconds=59)
        assert await watched(db, ClockWatch()) == (), "it lasts as long as it was to"
        assert held.seconds_left() == 1
        clock.time += timedelta(seconds=1)
        [taken] = await watched(db, ClockWatch())
        assert taken.was_cut_off, "and no longer"
        assert await release(db, taken, None)


async def test_a_step_seen_elsewhere_ends_no_lease_early(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    watch = ClockWatch()
    await place(db)
    assert len(await claim(db)) == 1
    assert await watched(far_db, watch) == ()
    clock.step(3600)
    clock.time += timedelta(seconds=59)
    assert await watched(far_db, watch) == ()
    clock.time += timedelta(seconds=60)
    assert len(await watched(far_db, watch)) == 1


async def test_whoever_starts_after_a_step_elsewhere_ends_no_lease_early(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    await place(db)
    assert len(await claim(db)) == 1
    clock.step(3600)
    watch = ClockWatch()
    assert await watched(far_db, watch) == (), "the step was before it began to watch"
    async with far_db.write() as tx:
        watch.see(tx)
        claimed = await leases.claim(tx, Order, limit=10, lease_seconds=60, watch=watch)
    assert claimed.next_due_seconds == 60, "it looks again once it can believe the clock"
    clock.time += timedelta(seconds=60)
    assert len(await watched(far_db, watch)) == 1


async def test_a_lease_given_elsewhere_by_a_clock_that_was_ahead_waits_for_no_hour(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    watch = ClockWatch()
    await place(db)
    assert len(await claim(db)) == 1
    clock.step(-3600)
    assert await watched(far_db, watch) == (), "whoever holds it may be alive"
    clock.time += timedelta(seconds=60)
    assert len(await watched(far_db, watch)) == 1


async def test_whoever_stood_still_in_a_transaction_takes_no_lease_that_was_given_since(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    order_id, watch = await place(db), ClockWatch()
    async with far_db.write() as tx:
        watch.see(tx)
    clock.time += timedelta(seconds=60)
    async with far_db.write() as tx:
        watch.see(tx)
        clock.time += timedelta(seconds=70)
        [held] = await claim(db)
        await watch.mend(tx, Order)
        late = await leases.claim(tx, Order, limit=10, lease_seconds=60, watch=watch)
    assert (late.claims, late.next_due_seconds) == ((), 0.0), "it looks again, by what the clock shows then"
    assert await watched(far_db, watch) == ()
    assert (await read(db, order_id)).lease_token == held.token


async def test_an_answer_that_was_long_in_coming_is_no_step_of_the_clock(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    watch = ClockWatch()
    await place(db)
    assert len(await claim(db)) == 1
    assert await watched(far_db, watch) == ()
    clock.time += timedelta(seconds=100)
    with capture_logs() as told:
        async with far_db.write() as tx:
            tx.began_at_uptime -= 40  # the database was asked so long ago, and tells its time only now
            watch.see(tx)
            claimed = await leases.claim(tx, Order, limit=10, lease_seconds=60, watch=watch)
        assert claimed.claims == (), "it may have stepped meanwhile all the same"
        assert await watched(far_db, watch) == ()
    assert told == []
    clock.time += timedelta(seconds=60)
    assert len(await watched(far_db, watch)) == 1


async def test_whoever_stood_still_in_a_transaction_reschedules_nothing(
    db: Database, far_db: Database, clock: SetClock
) -> None:
    async with far_db.write() as tx:
        clock.time += timedelta(seconds=70)
        order_id = await place(db)
        [held] = await claim(db)
        assert await release(db, held, due_at := clock.time + timedelta(seconds=300))
        await ClockWatch().mend(tx, Order)
    assert (await read(db, order_id)).due_at == due_at


async def test_what_was_scheduled_by_a_clock_that_was_ahead_is_due_now(db: Database, clock: SetClock) -> None:
    clock.step(3600)
    fresh = await place(db)
    [held] = [it for it in await claim(db) if it.row.id == fresh]
    waiting = await place(db, "Other")
    assert await release(db, held, clock.time + timedelta(seconds=300))
    clock.step(-3600)
    claims = await watched(db, ClockWatch())
    assert {it.row.id for it in claims} == {fresh, waiting}, "also after a restart: nobody saw the step"


async def test_whoever_stood_still_since_it_read_the_clock_leaves_the_mending_to_the_next(
    db: Database, clock: SetClock
) -> None:
    clock.step(3600)
    order_id = await place(db)
    clock.step(-3600)
    watch = ClockWatch()
    async with db.write() as tx:
        watch.see(tx)
        clock.time += timedelta(seconds=STEP_SECONDS + 1)
        assert not await watch.mend(tx, Order)
    [taken] = await watched(db, watch)
    assert taken.row.id == order_id, "not only in a minute"


@pytest.mark.parametrize("step", [-200, -3600])
async def test_what_was_due_by_a_clock_that_was_ahead_is_due_once_its_lease_has_run_out(
    db: Database, far_db: Database, clock: SetClock, step: int
) -> None:
    watches = {db: ClockWatch(), far_db: ClockWatch()}
    for each, watch in watches.items():
        order_id = await place(db)
        [held] = await claim(db)
        assert await release(db, held, clock.time + timedelta(seconds=300))
        clock.time += timedelta(seconds=310)
        assert await watched(each, watch) != (), "whoever holds it dies"
        clock.step(step)
        assert await watched(each, watch) == ()
        clock.time += timedelta(seconds=60)
        [taken] = await watched(each, watch)
        assert (taken.row.id, taken.was_cut_off) == (order_id, True), "not only when it is due once more"
        assert await release(each, taken, None)


@pytest.mark.parametrize("together", [False, True])
async def test_news_of_what_cloudpress_holds_off_hides_no_clock_that_was_ahead(
    db: Database, clock: SetClock, *, together: bool
) -> None:
    clock.step(3600)
    order_id = await place(db)
    [held] = await claim(db)
    hour = clock.time + timedelta(hours=1)
    async with db.write() as tx:
        order = await leases.hold(tx, held)
        assert order is not None
        order.not_before = hour  # `Retry-After`
        leases.release(tx, order, held, hour, not_before=hour)
    clock.step(-3600)
    await news_of(db, order_id, together=together)
    claims = await watched(db, ClockWatch())
    assert [it.row.id for it in claims] == [order_id], "it would wait for two hours instead of one"


@pytest.mark.parametrize("together", [False, True])
async def test_news_shortens_no_time_that_cloudpress_asked_for(
    db: Database, clock: SetClock, *, together: bool
) -> None:
    order_id = await place(db)
    [held] = await claim(db)
    hour = clock.time + timedelta(hours=1)
    async with db.write() as tx:
        order = await leases.hold(tx, held)
        assert order is not None
        order.not_before = hour
        leases.release(tx, order, held, hour, not_before=hour)
    clock.time += timedelta(minutes=59)
    await news_of(db, order_id, together=together)
    assert await watched(db, ClockWatch()) == ()
    clock.time += timedelta(minutes=1)
    assert [it.row.id for it in await watched(db, ClockWatch())] == [order_id]


async def test_what_waits_by_a_clock_that_is_right_goes_on_waiting(db: Database, clock: SetClock) -> None:
    await place(db)
    [held] = await claim(db)
    assert await release(db, held, clock.time + timedelta(seconds=300))
    clock.time += timedelta(seconds=299)
    assert await watched(db, ClockWatch()) == ()


async def test_a_lease_counts_the_time_that_a_machine_slept(db: Database, clock: SetClock) -> None:
    await place(db)
    [held] = await claim(db)
    clock.time += timedelta(minutes=20)  # whoever holds it slept
    assert held.seconds_left() < 0


def test_the_machines_own_clock_counts_on_and_has_one_name() -> None:
    clock = DatabaseClock()
    assert clock.uptime() <= clock.uptime()
    assert clock.boot == DatabaseClock().boot
