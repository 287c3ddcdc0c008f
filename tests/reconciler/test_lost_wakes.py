"""Beside full accounts no order that is due, and has room, is left until somebody polls."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.cloudpress import Answer, Placed
from app.db.models import Order
from app.queue.signals import Signals
from app.queue.worker import LOCKED_RETRY_SECONDS
from app.reconciler import Reconciler
from app.reconciler.turns import PASSES_FOR_A_REQUEST
from tests.harness import NEVER_SECONDS, eventually
from tests.reconciler.scripted import ACCOUNT, Bench, ScriptedCloudPress

SLOW, QUICK = "slow", "quick"

pytestmark = pytest.mark.usefixtures("_slow_cloudpress")


class Gated:
    """A CloudPress that answers a `POST` only once its account's gate is open."""

    def __init__(self, bench: Bench) -> None:
        self.gates: dict[str, asyncio.Event] = {SLOW: asyncio.Event(), QUICK: asyncio.Event()}
        self.once = asyncio.Semaphore(0)
        """Lets one request through, whatever the gates."""
        self._bench = bench

    async def provider(self, account_id: str) -> Any:
        gated, cloudpress = self, self._bench.cloudpress

        class Provider(ScriptedCloudPress):
            async def place(self, *given: Any, **more: Any) -> Answer[Placed]:
                opened = asyncio.ensure_future(gated.gates[account_id].wait())
                let = asyncio.ensure_future(gated.once.acquire())
                _done, rest = await asyncio.wait({opened, let}, return_when=asyncio.FIRST_COMPLETED)
                for each in rest:
                    each.cancel()
                return await cloudpress.place(*given, **more)

        return Provider(self._bench.clock, orders_made=cloudpress.orders_made, tasks=cloudpress.tasks)


@pytest.fixture
async def gated(bench: Bench) -> Gated:
    gated = Gated(bench)
    bench.set(providers=gated.provider)
    return gated


async def statuses(bench: Bench) -> Counter[tuple[str, str]]:
    return Counter((order.account_id, str(order.status)) for order in await bench.orders())


async def test_an_account_that_fills_beside_a_full_one_and_is_freed_while_a_claim_is_under_way(
    bench: Bench, gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quick account has an order that is due and no pass, and the loop waits for the slow one's passes.

    While the loop waits for its turn to write, a batch is written with which the quick account's passes end.
    """
    bench.signals = Signals(bench.db)  # which wakes no other
    reconciler = Reconciler(
        bench.dependencies, bench.signals, slots=64, account_concurrency=1, poll_seconds=NEVER_SECONDS
    )
    plain_claim, plain_turn = reconciler.claim, bench.db._turn
    steps: list[str] = []
    claiming = asyncio.Event()

    async def claim(limit: int) -> Any:
        claiming.set()
        claimed = await plain_claim(limit)
        claiming.clear()
        if steps == ["fill"] and claimed.claims:
            steps.append("filled")
            await bench.order("Late", account=QUICK)  # committed after this claim, and before it is over
        return claimed

    @asynccontextmanager
    async def turn(**options: bool) -> AsyncIterator[None]:
        if steps == ["fill", "filled"] and asyncio.current_task() is running and claiming.is_set():
            steps.append("emptied")
            gated.gates[QUICK].set()
            await _until(lambda: not reconciler._in_flight[QUICK])
        async with plain_turn(**options):
            yield

    monkeypatch.setattr(reconciler, "claim", claim)
    monkeypatch.setattr(bench.db, "_turn", turn)
    running = asyncio.create_task(reconciler.run(grace_seconds=0.1))
    try:
        for number in range(PASSES_FOR_A_REQUEST + 1):
            await bench.order(f"Slow {number}", account=SLOW)
        await _until(lambda: {*reconciler._passed_over} == {SLOW})
        for number in range(PASSES_FOR_A_REQUEST - 1):
            await bench.order(f"Quick {number}", account=QUICK)
        await _until(lambda: reconciler._in_flight[QUICK] == PASSES_FOR_A_REQUEST - 1)
        due = bench.signals.due_of(Order)
        await _until(lambda: not (claiming.is_set() or due.is_set()))  # the loop has seen to all
        steps.append("fill")
        await bench.order("Quick, the last for which there is room", account=QUICK)
        await _until(lambda: steps == ["fill", "filled", "emptied"])
        await eventually(
            lambda: statuses(bench), lambda found: not found[QUICK, "pending"], patience_seconds=5
        )
    finally:
        for gate in gated.gates.values():
            gate.set()
        bench.signals.stop()
        await running


async def _until(reached: Callable[[], bool]) -> None:
    async def is_reached() -> bool:
        return reached()

    await eventually(is_reached, bool, patience_seconds=10)


async def test_a_locked_order_of_another_account_is_looked_at_again_beside_a_full_one(
    bench: Bench, gated: Gated
) -> None:
    """Whoever has it locked may end without a word: it is looked at a second later, or as passes end."""
    if bench.db.is_sqlite:
        pytest.skip("SQLite locks no rows")
    bench.signals = Signals(bench.db)
    bench.signals.listening = True
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=1)
    for number in range(PASSES_FOR_A_REQUEST + 1):
        await bench.order(f"Slow {number}", account=SLOW)
    assert await reconciler._claim_and_start() == 0.0
    other = await bench.order("Other", account=QUICK)
    try:
        async with bench.db.write() as tx:
            await tx.session.get_one(Order, other, with_for_update=True)
            bench.signals.due_of(Order).clear()
            idle_seconds = await reconciler._claim_and_start()
        assert reconciler._in_flight[QUICK] == 0
        gated.once.release()
        await _until(lambda: len(reconciler.running) == PASSES_FOR_A_REQUEST - 1)
        assert idle_seconds <= LOCKED_RETRY_SECONDS or bench.signals.due_of(Order).is_set()
    finally:
        gated.gates[SLOW].set()
        gated.once.release()
        await asyncio.gather(*reconciler.running, return_exceptions=True)


async def test_an_order_that_a_pass_puts_off_is_looked_at_when_it_is_due(bench: Bench) -> None:
    bench.accounts.clear()
    bench.signals = Signals(bench.db)
    reconciler = Reconciler(bench.dependencies, bench.signals, poll_seconds=NEVER_SECONDS)
    running = asyncio.create_task(reconciler.run(grace_seconds=0.1))
    try:
        order_id = await bench.order()
        order = await eventually(lambda: bench.read(order_id), lambda it: it.failures == 1)
        assert order.due_at is not None
        bench.accounts.add(ACCOUNT)
        bench.clock.time = order.due_at
        await eventually(lambda: bench.read(order_id), lambda it: it.status == "provisioning")
    finally:
        bench.signals.stop()
        await running
