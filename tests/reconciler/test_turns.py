"""How many of an account's passes are about to ask, and that no more of them ask than may."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.cloudpress import Answer, Placed, Refused, SiteOrder
from app.events.timeline import Actor
from app.reconciler import placing
from app.reconciler.loop import Reconciler
from app.reconciler.turns import (
    MOST_IN_LINE,
    MOST_WAIT_SECONDS,
    PASSES_FOR_A_REQUEST,
    WAIT_SECONDS,
    Account,
    Turn,
)
from tests.harness import eventually
from tests.reconciler.scripted import ACCOUNT, Bench
from tests.reconciler.test_writing import claimed, statuses

REQUESTS = 2


def asked(account: Account, seconds: float, *, is_post: bool = True) -> None:
    """Have requests of the account take so long."""
    for _ in range(100):
        account.learn(seconds, is_post=is_post)


def test_where_cloudpress_is_quick_some_may_line_up() -> None:
    account = Account(REQUESTS)
    assert not account.is_quick, "nothing is known of it yet"
    seen = []
    for seconds in (0.01, 0.249, 30.0):
        asked(account, seconds)
        seen.append((account.is_quick, account.most_passes))
    least = REQUESTS * PASSES_FOR_A_REQUEST
    assert seen == [(True, least + REQUESTS * MOST_IN_LINE), (True, least + REQUESTS), (False, least)]


def test_no_more_line_up_than_will_have_their_turn_within_a_moment() -> None:
    account = Account(REQUESTS)
    asked(account, WAIT_SECONDS / 2)
    turns = [Turn(account) for _ in range(9)]
    assert [turn.line_up() for turn in turns].count(True) == REQUESTS * 2
    turns[0].leave()
    turns[0].leave()
    assert [turn.line_up() for turn in turns[5:]].count(True) == 1


@pytest.mark.parametrize(
    ("post_seconds", "read_seconds", "is_quick"),
    [(None, 0.001, False), (5.0, 0.001, False), (0.001, 0.001, True), (0.001, 5.0, False)],
)
def test_what_is_read_quickly_does_not_make_slow_posts_quick_nor_the_other_way_round(
    post_seconds: float | None, read_seconds: float, *, is_quick: bool
) -> None:
    account = Account(REQUESTS)
    if post_seconds is not None:
        asked(account, post_seconds)
    asked(account, read_seconds, is_post=False)
    assert account.is_quick == is_quick


class HeldBack:
    """A CloudPress whose answers to `POST` wait until they are let go; how many waited at most."""

    def __init__(self, bench: Bench) -> None:
        """Stand before the scripted one."""
        self.go = asyncio.Event()
        self.asking = self.most = 0
        self._place = bench.cloudpress.place
        bench.cloudpress.place = self.place  # type: ignore[method-assign]

    async def asked_by(self, number: int) -> None:
        """Wait until so many ask."""
        await eventually(lambda: asyncio.sleep(0, self.asking), lambda asking: asking == number)

    async def place(self, site: SiteOrder, **options: Any) -> Answer[Placed]:
        """Answer once that may be."""
        self.asking += 1
        self.most = max(self.most, self.asking)
        try:
            await self.go.wait()
            return await self._place(site, **options)
        finally:
            self.asking -= 1


def quick(bench: Bench, requests: int = REQUESTS) -> Reconciler:
    """Return the bench's new reconciler, which has seen CloudPress answer at once."""
    bench.reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=requests)
    asked(bench.reconciler._turns._accounts[ACCOUNT], 0.001)
    return bench.reconciler


async def started(bench: Bench, number: int) -> list[asyncio.Task[None]]:
    """Accept orders, and begin to place them."""
    work = bench.reconciler._work_or_give_back
    return [asyncio.create_task(work(claim)) for claim in await claimed(bench, number)]


async def until(bench: Bench, status: str, number: int) -> None:
    async def count() -> int:
        return (await statuses(bench)).count(status)

    assert await eventually(count, lambda found: found >= number) == number


async def test_intents_are_written_ahead_of_requests_and_no_more_ask_than_may(bench: Bench) -> None:
    held = HeldBack(bench)
    quick(bench)
    tasks = await started(bench, 8)
    await until(bench, "placing", 8)
    await held.asked_by(REQUESTS)
    assert (held.asking, bench.cloudpress.count("place")) == (REQUESTS, 0)
    held.go.set()
    await asyncio.gather(*tasks)
    assert held.most == REQUESTS
    await until(bench, "provisioning", 8)
    assert bench.cloudpress.count("place") == 8


async def test_where_cloudpress_is_slow_no_intent_is_written_ahead(bench: Bench) -> None:
    held = HeldBack(bench)
    bench.reconciler = Reconciler(bench.dependencies, bench.signals, account_concurrency=REQUESTS)
    tasks = await started(bench, 6)
    await held.asked_by(REQUESTS)
    for _ in range(50):
        await asyncio.sleep(0)
    await until(bench, "placing", REQUESTS)
    held.go.set()
    await asyncio.gather(*tasks)


async def test_what_is_cut_off_before_its_request_was_not_sent(bench: Bench) -> None:
    held = HeldBack(bench)
    quick(bench)
    tasks = await started(bench, 5)
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
    held, reconciler = HeldBack(bench), quick(bench, 1)
    tasks = await started(bench, 2)
    await until(bench, "placing", 2)
    await until(bench, "pending", 1)
    assert not reconciler._turns._accounts[ACCOUNT].is_quick
    held.go.set()
    await asyncio.gather(*tasks)
    await until(bench, "provisioning", 1)
    [waiting] = [order for order in await bench.orders() if order.status == "pending"]
    assert bench.cloudpress.count(f"place {waiting.site_name}") == 0


async def test_what_the_machine_slept_through_before_its_request_is_not_sent(bench: Bench) -> None:
    held = HeldBack(bench)
    quick(bench, 1)
    tasks = await started(bench, 2)
    await until(bench, "placing", 2)
    await held.asked_by(1)
    bench.clock.time += timedelta(seconds=MOST_WAIT_SECONDS + 1)
    held.go.set()
    await asyncio.gather(*tasks)
    await until(bench, "provisioning", 1)
    await until(bench, "pending", 1)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_order_that_is_placed_once_more_has_its_turn_before_its_intent(
    bench: Bench, status: int
) -> None:
    """What is heard of an earlier request until then is heeded, whatever the answer to that was."""
    held_off = Refused(status, ("busy",), 1, is_own_form=True, is_known_host=True)
    bench.cloudpress.script["place"] = [held_off if status != 500 else Refused(500, ())]
    order_id = await bench.order("Shop")
    await bench.work()
    if status == 500:
        await bench.say(order_id, "place_again", by=Actor("operator"))
        while (await bench.read(order_id)).status != "pending":
            assert await bench.work()
    bench.clock.time += timedelta(seconds=1 if status == 500 else 300)
    held, reconciler = HeldBack(bench), quick(bench, 1)
    other = await bench.order("Other")
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
