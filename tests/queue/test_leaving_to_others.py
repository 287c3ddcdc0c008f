"""What one replica has made due, others look for ever more seldom while they find it taken."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from uuid import uuid4

from app.db.clock import DatabaseClock
from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.queue.leases import Claim, Claimed
from app.queue.signals import Signals
from app.queue.worker import LEAVE_CEILING_SECONDS, Worker
from app.secrets import Encryption
from tests.settings import SECRET_KEY
from tests.simulation.loop import VirtualLoop

FOR_EVER = 1_000_000.0
MOMENT = 0.001


class Looking(Worker[Order]):
    """Counts how often it looks, and finds as many orders as there are."""

    def __init__(self, signals: Signals) -> None:
        """Find nothing yet."""
        super().__init__(Order, signals, slots=8, poll_seconds=FOR_EVER, backstop_seconds=FOR_EVER)
        self.looks = 0
        self.due = 0
        self.worked = 0

    async def claim(self, limit: int) -> Claimed[Order]:
        """Find what is due."""
        self.looks += 1
        found, self.due = min(limit, self.due), 0
        row, clock = Order(id=uuid4()), DatabaseClock()
        claims = tuple(Claim(row, uuid4(), 0, FOR_EVER, clock, was_cut_off=False) for _ in range(found))
        return Claimed(claims, None, is_more_due=False)

    async def work(self, _claim: Claim[Order]) -> None:
        """Count it."""
        self.worked += 1

    async def give_back(self, claim: Claim[Order]) -> None:
        """Never needed: no work is cut off."""
        raise AssertionError(claim)


def tell(signals: Signals) -> None:
    """Tell what another replica has committed."""
    signals.hear("due orders")


def live(folder: Path, life: Callable[[Looking, Signals], Awaitable[None]]) -> None:
    """Run a worker in virtual time, and let something happen to it."""

    async def run() -> None:
        db = Database(async_database_url(f"sqlite:///{folder / 'none.db'}"), Encryption([SECRET_KEY]))
        signals = Signals(db)
        worker = Looking(signals)
        running = asyncio.create_task(worker.run(grace_seconds=1))
        await asyncio.sleep(MOMENT)
        assert worker.looks == 1
        await life(worker, signals)
        signals.stop()
        await running
        await db.dispose()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(Random(1))) as runner:
        runner.run(run())


async def find_all_taken(worker: Looking, signals: Signals) -> None:
    """Tell of orders for ten seconds, each of which another replica has taken; forget how often it looked."""
    for _ in range(1000):
        tell(signals)
        await asyncio.sleep(0.01)
    await asyncio.sleep(LEAVE_CEILING_SECONDS)
    worker.looks = 0


def test_whoever_finds_others_orders_taken_looks_ever_more_seldom(tmp_path: Path) -> None:
    async def life(worker: Looking, signals: Signals) -> None:
        tell(signals)
        await asyncio.sleep(MOMENT)
        assert worker.looks == 2, "the first is looked for at once"
        for _ in range(1000):
            tell(signals)
            await asyncio.sleep(0.01)
        assert worker.looks < 10 / LEAVE_CEILING_SECONDS + 10

    live(tmp_path, life)


def test_what_others_leave_is_taken_up_all_the_same_and_the_next_at_once(tmp_path: Path) -> None:
    async def life(worker: Looking, signals: Signals) -> None:
        await find_all_taken(worker, signals)
        worker.due = 1
        tell(signals)
        await asyncio.sleep(LEAVE_CEILING_SECONDS + MOMENT)
        assert worker.worked == 1
        worker.due = 1
        tell(signals)
        await asyncio.sleep(MOMENT)
        assert worker.worked == 2

    live(tmp_path, life)


def test_what_this_process_makes_due_is_never_left_to_others(tmp_path: Path) -> None:
    async def life(worker: Looking, signals: Signals) -> None:
        await find_all_taken(worker, signals)
        worker.due = 1
        tell(signals)
        signals.due_of(Order).set()
        await asyncio.sleep(MOMENT)
        assert worker.worked == 1

    live(tmp_path, life)


def test_what_is_told_while_a_claim_is_under_way_is_looked_for_after_it(tmp_path: Path) -> None:
    async def life(worker: Looking, signals: Signals) -> None:
        claim = worker.claim

        async def slow(limit: int) -> Claimed[Order]:
            claimed = await claim(limit)
            await asyncio.sleep(MOMENT)
            return claimed

        worker.claim = slow  # type: ignore[method-assign]
        tell(signals)
        await asyncio.sleep(MOMENT / 2)
        worker.due = 1  # committed after the claim had looked
        tell(signals)
        await asyncio.sleep(LEAVE_CEILING_SECONDS + MOMENT)
        assert worker.worked == 1

    live(tmp_path, life)
