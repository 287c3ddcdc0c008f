"""How many of an account's passes are about to ask, and that no more of them ask than may."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from app.cloudpress import Refused
from app.events.timeline import Actor
from app.reconciler import placing
from app.reconciler.loop import Reconciler
from app.reconciler.turns import MOST_WAIT_SECONDS, PASSES_FOR_A_REQUEST, Account
from tests.harness import PATIENCE_SECONDS, eventually
from tests.reconciler.scripted import ACCOUNT, Bench

REQUESTS = 2


def asked(account: Account, seconds: float, *, is_post: bool = True) -> None:
    """Have requests of the account take so long."""
    for _ in range(100):
        account.learn(seconds, is_post=is_post)


async def test_where_cloudpress_is_quick_more_are_about_to_ask_than_may_at_once() -> None:
    account = Account(REQUESTS)
    assert (account.most_turns, account.is_quick) == (REQUESTS, False), "nothing is known of it yet"
    seen = []
    for seconds in (0.01, 0.249, 30.0):
        asked(account, seconds)
        seen.append((account.most_turns, account.is_quick))
    assert seen == [(REQUESTS * 5, True), (REQUESTS * 2, True), (REQUESTS, False)]
    assert account.most_passes == REQUESTS * PASSES_FOR_A_REQUEST


async def test_quick_reads_do_not_make_slow_posts_quick_nor_the_other_way_round() -> None:
    account = Account(REQUESTS)
    asked(account, 0.001, is_post=False)
    assert (account.most_turns, account.is_quick) == (REQUESTS * 5, False), "what is read is in no doubt"
    asked(account, 5.0)
    assert (account.most_turns, account.is_quick) == (REQUESTS, False)
    asked(account, 0.001)
    assert account.is_quick
    asked(account, 5.0, is_post=False)
    assert (account.most_turns, account.is_quick) == (REQUESTS, False)


async def test_turns_are_as_many_as_they_come_to_be() -> None:
    account = Account(REQUESTS)

    async def take_all() -> int:
        taken = 0
        while True:
            taking = asyncio.ensure_future(account.take_turn())
            await asyncio.sleep(0)
            if not taking.done():
                taking.cancel()
                await asyncio.wait([taking])
                return taken
            taken += 1

    assert await take_all() == REQUESTS
    asked(account, 0.01)
    assert await take_all() == REQUESTS * 4, "those that came to be"
    asked(account, 30)
    for _ in range(REQUESTS * 5):
        account.end_turn()
    assert await take_all() == REQUESTS, "those that are left"
    asked(account, 0.01)
    assert await take_all() == REQUESTS * 4
    for _ in range(REQUESTS * 5):
        account.end_turn()
    asked(account, 30)
    assert await take_all() == REQUESTS, "those that nobody has are taken away as well"


async def test_a_turn_that_is_given_to_one_who_is_cut_off_goes_to_the_next() -> None:
    account = Account(1)
    await account.take_turn()
    first, second = (asyncio.ensure_future(account.take_turn()) for _ in range(2))
    await asyncio.sleep(0)
    account.end_turn()
    first.cancel()
    await asyncio.wait([first, second], timeout=PATIENCE_SECONDS)
    assert (first.cancelled(), second.done()) == (True, True)


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


def quick(bench: Bench, requests: int = REQUESTS) -> Reconciler:
    """Return a reconciler that has seen CloudPress answer at once."""
    reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=requests)
    asked(reconciler._turns._accounts.setdefault(ACCOUNT, Account(requests)), 0.001)
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
    held, reconciler = Held(bench), quick(bench)
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
    held, reconciler = Held(bench), quick(bench)
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
    held, reconciler = Held(bench), quick(bench)
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


async def test_what_waits_too_long_for_its_request_is_not_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its intent was decided on is old by then. And nothing more is intended ahead."""
    monkeypatch.setattr(placing, "MOST_WAIT_SECONDS", 0.2)
    held, reconciler = Held(bench), quick(bench, 1)
    tasks = await started(bench, reconciler, 2)
    await until(bench, "placing", 2)
    await until(bench, "pending", 1)
    assert not reconciler._turns._accounts[ACCOUNT].is_quick
    held.go.set()
    await asyncio.gather(*tasks)
    await until(bench, "provisioning", 1)
    [waiting] = [order for order in await bench.orders() if order.status == "pending"]
    assert bench.cloudpress.count(f"place {waiting.site_name}") == 0


async def test_what_the_machine_slept_through_before_its_request_is_not_sent(bench: Bench) -> None:
    held, reconciler = Held(bench), quick(bench, 1)
    tasks = await started(bench, reconciler, 2)
    await until(bench, "placing", 2)
    await held.asked_by(1)
    bench.clock.time += timedelta(seconds=MOST_WAIT_SECONDS + 1)
    held.go.set()
    await asyncio.gather(*tasks)
    await until(bench, "provisioning", 1)
    await until(bench, "pending", 1)


async def test_an_order_that_is_placed_once_more_has_its_place_before_its_intent(bench: Bench) -> None:
    """What is heard of an earlier attempt until then is heeded."""
    bench.cloudpress.script["place"] = [Refused(500, ())]
    order_id = await bench.order("Shop")
    await bench.work()
    await bench.say(order_id, "place_again", by=Actor("operator"))
    while (await bench.read(order_id)).status != "pending":
        assert await bench.work()
    held, reconciler = Held(bench), quick(bench, 1)
    other = await bench.order("Other")
    bench.clock.time += timedelta(seconds=1)
    claims = {claim.row.id: claim for claim in (await reconciler.claim(100)).claims}
    tasks = [asyncio.create_task(reconciler.work(claims[it])) for it in (other, order_id)]
    await held.asked_by(1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert (await bench.read(other)).status == "placing"
    assert (await bench.read(order_id)).status == "pending"
    held.go.set()
    await asyncio.gather(*tasks)
    assert (await bench.read(order_id)).status == "provisioning"
