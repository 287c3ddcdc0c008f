"""How many of an account's passes are about to ask, and that no more of them ask than may."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from app.reconciler.loop import Reconciler
from app.reconciler.placing import LEASE_MARGIN
from app.reconciler.turns import PASSES_FOR_A_REQUEST, Account
from tests.harness import eventually
from tests.reconciler.scripted import ACCOUNT, Bench

REQUESTS = 2


async def asked(account: Account, seconds: float) -> None:
    """Have requests of the account take so long."""
    for _ in range(100):
        await account.requests.acquire()
        account.end_request(seconds)


async def test_where_cloudpress_is_quick_more_are_about_to_ask_than_may_at_once() -> None:
    account = Account(REQUESTS)
    assert account.most_turns == REQUESTS, "nothing is known of it yet"
    seen = []
    for seconds in (0.01, 0.249, 30.0):
        await asked(account, seconds)
        seen.append(account.most_turns)
    assert seen == [REQUESTS * 5, REQUESTS * 2, REQUESTS], "a request waits no longer than a moment"
    assert account.most_passes == REQUESTS * PASSES_FOR_A_REQUEST


async def test_turns_are_as_many_as_they_come_to_be() -> None:
    account = Account(REQUESTS)

    async def take_all() -> int:
        taken = 0
        while not account.turns.locked():
            await account.turns.acquire()
            taken += 1
        return taken

    assert await take_all() == REQUESTS
    await asked(account, 0.01)
    assert await take_all() == REQUESTS * 4, "those that came to be"
    await asked(account, 30)
    for _ in range(REQUESTS * 5):
        account.end_turn()
    assert await take_all() == REQUESTS, "those that are left"
    await asked(account, 0.01)
    assert await take_all() == REQUESTS * 4


class Held:
    """A CloudPress of which each request waits until it is let go; how many waited at most."""

    def __init__(self, bench: Bench) -> None:
        """Stand before the scripted one."""
        self.go = asyncio.Event()
        self.asking = self.most = 0
        for name in ("place", "order", "task", "site"):
            setattr(bench.cloudpress, name, self._held(getattr(bench.cloudpress, name)))

    async def asked_by(self, number: int) -> None:
        """Wait until so many ask."""
        await eventually(lambda: asyncio.sleep(0, self.asking), lambda asking: asking == number)

    def _held(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def held(*arguments: Any, **options: Any) -> Any:
            self.asking += 1
            self.most = max(self.most, self.asking)
            try:
                await self.go.wait()
                return await ask(*arguments, **options)
            finally:
                self.asking -= 1

        return held


async def quick(bench: Bench, requests: int = REQUESTS) -> Reconciler:
    """Return a reconciler that has seen CloudPress answer at once."""
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=requests)
    await asked(reconciler._turns._accounts.setdefault(ACCOUNT, Account(requests)), 0.001)
    return reconciler


async def started(bench: Bench, reconciler: Reconciler, number: int) -> list[asyncio.Task[None]]:
    """Accept orders, and begin to place them."""
    for each in range(number):
        await bench.order(f"Shop {each}")
    claims = (await reconciler.claim(100)).claims
    assert len(claims) == number
    return [asyncio.create_task(reconciler._work_or_give_back(claim)) for claim in claims]


async def until(bench: Bench, status: str, number: int) -> None:
    async def count() -> int:
        return sum(order.status == status for order in await bench.orders())

    assert await eventually(count, lambda found: found >= number) == number


async def test_intents_are_written_ahead_of_requests_and_no_more_ask_than_may(bench: Bench) -> None:
    held, reconciler = Held(bench), await quick(bench)
    tasks = await started(bench, reconciler, 8)
    await until(bench, "placing", 8)
    await held.asked_by(REQUESTS)
    assert (held.asking, bench.cloudpress.count("place")) == (REQUESTS, 0)
    held.go.set()
    await asyncio.gather(*tasks)
    assert held.most == REQUESTS
    await until(bench, "provisioning", 8)
    assert bench.cloudpress.count("place") == 8


async def test_no_more_are_read_at_once_than_may(bench: Bench) -> None:
    for each in range(8):
        await bench.order(f"Shop {each}")
    await bench.work_together()
    for order_id in bench.cloudpress.orders_made:
        bench.cloudpress.end(order_id, "OK")
    held, reconciler = Held(bench), await quick(bench)
    bench.clock.time += timedelta(seconds=600)
    claims = (await reconciler.claim(100)).claims
    tasks = [asyncio.create_task(reconciler.work(claim)) for claim in claims]
    await held.asked_by(REQUESTS)
    held.go.set()
    await asyncio.gather(*tasks)
    assert (len(tasks), held.most) == (8, REQUESTS)
    await until(bench, "completed", 8)


async def test_where_cloudpress_is_slow_no_intent_is_written_ahead(bench: Bench) -> None:
    held = Held(bench)
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=REQUESTS)
    tasks = await started(bench, reconciler, 6)
    await held.asked_by(REQUESTS)
    for _ in range(50):
        await asyncio.sleep(0)
    await until(bench, "placing", REQUESTS)
    held.go.set()
    await asyncio.gather(*tasks)


async def test_what_is_cut_off_before_its_request_was_not_sent(bench: Bench) -> None:
    held, reconciler = Held(bench), await quick(bench)
    tasks = await started(bench, reconciler, 5)
    await until(bench, "placing", 5)
    await held.asked_by(REQUESTS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(bench, "unconfirmed", REQUESTS)
    await until(bench, "pending", 5 - REQUESTS)
    assert bench.cloudpress.count("place") == 0
    assert held.most == REQUESTS


async def test_what_waits_too_long_for_its_request_is_not_sent(bench: Bench) -> None:
    """So that whoever takes the order over finds nothing in doubt."""
    bench.set(upstream_timeout_seconds=2 * bench.dependencies.lease_seconds * LEASE_MARGIN - 1)
    held, reconciler = Held(bench), await quick(bench, 1)
    tasks = await started(bench, reconciler, 2)
    await until(bench, "placing", 2)
    await until(bench, "pending", 1)
    held.go.set()
    await asyncio.gather(*tasks)
    await until(bench, "provisioning", 1)
    [waiting] = [order for order in await bench.orders() if order.status == "pending"]
    assert bench.cloudpress.count(f"place {waiting.site_name}") == 0
