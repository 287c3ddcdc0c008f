"""The loop that claims: what is due is worked on soon, whatever became of others and of their locks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import select

from app.db.database import Database
from app.db.models import Order
from app.orders.intake import NewOrder, create_order
from app.queue import leases
from app.queue.clock_watch import ClockWatch
from app.queue.leases import Claim, Claimed
from app.queue.signals import Signals
from app.queue.worker import Worker
from app.webhooks.deliverer import Deliverer
from tests.harness import NEVER_SECONDS, eventually
from tests.reconciler.scripted import Bench


class Reading(Worker[Order]):
    """A worker that never polls, and notes what it claimed."""

    def __init__(self, db: Database, signals: Signals) -> None:
        super().__init__(Order, signals, slots=10, poll_seconds=NEVER_SECONDS, backstop_seconds=NEVER_SECONDS)
        self._db = db
        self.looks = 0
        self.worked_on: list[UUID] = []

    async def claim(self, limit: int) -> Claimed[Order]:
        """Claim whatever is due."""
        async with self._db.write() as tx:
            claimed = await leases.claim(tx, Order, limit=limit, lease_seconds=60, watch=self.watch)
        self.looks += 1
        return claimed

    async def work(self, claim: Claim[Order]) -> None:
        """Note it."""
        self.worked_on.append(claim.row.id)

    async def give_back(self, claim: Claim[Order]) -> None:
        """Do nothing: nothing is cut off."""

    async def ids(self) -> list[UUID]:
        """Return what it worked on."""
        return self.worked_on

    async def came_round_in_vain(self) -> bool:
        """Tell whether it would have claimed, had there been a slot."""
        return self._had_no_slot


AnyReading = TypeVar("AnyReading", bound=Reading)


@asynccontextmanager
async def reading(db: Database, kind: type[AnyReading]) -> AsyncIterator[AnyReading]:
    """Run a worker of a kind."""
    signals = Signals(db)
    worker = kind(db, signals)
    running = asyncio.create_task(worker.run(grace_seconds=1))
    try:
        yield worker
    finally:
        signals.stop()
        await running


async def test_what_somebody_had_locked_who_ended_without_a_word_is_looked_at_again(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has one writer: who claims waits for who has locked")
    order = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    async with db.engine.connect() as dying:
        await dying.execute(select(Order.id).with_for_update())
        async with reading(db, Reading) as worker:

            async def looks() -> int:
                return worker.looks

            await eventually(looks, lambda number: number > 0)
            assert worker.worked_on == []
            await dying.invalidate()  # as the server ends what a killed process had begun
            assert await eventually(worker.ids, bool) == [order.id]


class Choosy(Reading):
    """A worker of one slot, to whom no room is ever enough, and whose work ends when it may."""

    def __init__(self, db: Database, signals: Signals) -> None:
        super().__init__(db, signals)
        self.slots = 1
        self.may_end = asyncio.Event()

    def is_room_enough(self) -> bool:
        """Never."""
        return False

    async def work(self, claim: Claim[Order]) -> None:
        """Work until it may end."""
        await super().work(claim)
        await self.may_end.wait()


async def test_what_comes_while_there_is_no_slot_is_claimed_once_there_is(db: Database) -> None:
    async with reading(db, Choosy) as worker:
        await create_order(db, NewOrder("acct", "First", "vanilla", None, None, None, {}), None)
        await eventually(worker.ids, lambda ids: len(ids) == 1)
        await create_order(db, NewOrder("acct", "Second", "vanilla", None, None, None, {}), None)
        await eventually(worker.came_round_in_vain, bool)
        worker.may_end.set()
        assert len(await eventually(worker.ids, lambda ids: len(ids) == 2)) == 2


@pytest.mark.parametrize("is_mended", [True, False])
@pytest.mark.parametrize("of", ["orders", "deliveries"])
async def test_who_could_not_mend_what_a_clock_put_ahead_claims_again_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, of: str, is_mended: bool
) -> None:
    async def mend(*_arguments: object) -> bool:
        return is_mended

    monkeypatch.setattr(ClockWatch, "mend", mend)
    bench = Bench(database_url)
    sender: Any = None  # nothing is sent
    workers: dict[str, Worker[Any]] = {
        "orders": bench.reconciler,
        "deliveries": Deliverer(bench.db, bench.signals, sender, random=Random(1)),
    }
    claimed = await workers[of].claim(1)
    assert claimed.next_due_seconds == (None if is_mended else 0.0)
    await bench.db.dispose()
