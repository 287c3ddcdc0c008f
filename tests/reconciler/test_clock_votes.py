"""CloudPress's clock is told by no cache, no proxy, and no single answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cloudpress import Answer, Refused
from app.events.timeline import Actor
from app.orders.requests import request_refresh
from app.reconciler.provider_clock import ProviderClock
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_clock_ahead import answered_with_strangers
from tests.reconciler.test_mixed_up_answers import call_back, finish_both_and_call_back
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("dated", ["now", "then"])
async def test_a_list_out_of_a_cache_makes_nobodys_older_order_young(
    bench: Bench, *, dated: str, restarted: bool
) -> None:
    """Two pages of a list, with the `Date` of then, outvote no answer that is told with now's."""
    cloudpress = bench.cloudpress
    strangers = cloudpress.land("Shop")  # made half an hour before the cache took the list
    bench.clock.time += timedelta(minutes=30)
    taken_at, plain = cloudpress.now, cloudpress.orders

    async def orders(**asked: Any) -> Answer[Any]:
        answer = await plain(**asked)
        listed = tuple(it for it in answer.value if it.created_at is None or it.created_at <= taken_at)
        return Answer(listed, b"{}", taken_at if dated == "then" else cloudpress.now)

    bench.clock.time += timedelta(seconds=2 * HOUR)
    cloudpress.orders = orders  # type: ignore[method-assign]
    cloudpress.script["answer"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(30 * 60)
    if restarted:
        bench.set(provider_clock=ProviderClock())  # the process is started anew
    await request_refresh(bench.db, order_id, by=Actor("operator"))
    await bench.work_for(30 * 60)
    assert (await bench.read(order_id)).cloudpress_order_id != strangers, await told(bench, order_id)


def first_answer_ahead(bench: Bench, ahead: timedelta) -> None:
    """Start the process anew; the first answer that it gets is told by a machine that is ahead."""
    cloudpress = bench.cloudpress
    bench.set(provider_clock=ProviderClock())
    plain, given = cloudpress._answer, list[int]()

    def answer(value: Any) -> Answer[Any]:
        given.append(1)
        return Answer(value, b"{}", cloudpress.now + ahead) if len(given) == 1 else plain(value)

    cloudpress._answer = answer  # type: ignore[method-assign]


@pytest.mark.parametrize("minutes", [0, 10])
async def test_one_answer_ahead_after_a_restart_makes_ours_not_old(bench: Bench, minutes: int) -> None:
    """Rosa's cp-2 was answered with a stranger's cp-3; her callback is believed all the same."""
    rosa = await answered_with_strangers(bench)
    first_answer_ahead(bench, timedelta(minutes=minutes))
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("minutes", [0, 10])
async def test_one_answer_ahead_after_a_restart_asks_nobody(bench: Bench, minutes: int) -> None:
    """A lost order is found by its callback."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda it: it == "cp-2"
    first_answer_ahead(bench, timedelta(minutes=minutes))
    await call_back(bench, order_id, 2)
    await bench.work_for(5 * HOUR)
    asked = await bench.events(order_id, "order.attention_started")
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)
    assert not asked, [event.data for event in asked]


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1)])
async def test_what_a_proxy_before_it_shows_is_not_cloudpresss_clock(bench: Bench, ahead: timedelta) -> None:
    """A proxy, whose clock is ahead, tells of an outage; then her callback is believed all the same."""
    cloudpress = bench.cloudpress
    rosa = await answered_with_strangers(bench)
    for _ in range(9):
        away = Refused(502, date=cloudpress.now + ahead)
        cloudpress.script["order"], cloudpress.script["task"] = [away], [away]
        await request_refresh(bench.db, rosa, by=Actor("operator"))
        await bench.work()
        bench.clock.time += timedelta(seconds=20)
    told_by_it = bench.dependencies.provider_clock.at(bench.clock.uptime())
    assert told_by_it is not None
    assert abs(told_by_it - cloudpress.now) < timedelta(minutes=1)
    cloudpress.script.clear()
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
THEN = NOW - timedelta(hours=2)


def told_by(*dates: datetime) -> ProviderClock:
    """Return the clock as answers told it, a second after one another, the last one now."""
    clock = ProviderClock()
    for number, date in enumerate(dates):
        clock.note(date, 1000.0 - len(dates) + number)
    return clock


def test_one_date_is_told_once() -> None:
    clock = told_by(NOW, *[THEN] * 9)
    assert clock.heeded(NOW, 1000.0) == NOW
    assert clock.heeded(THEN, 1000.0) == NOW + timedelta(seconds=10)


def test_of_few_that_do_not_agree_the_later_time_counts() -> None:
    clock = told_by(THEN, THEN + timedelta(seconds=1))
    assert clock.heeded(NOW, 1000.0) == NOW
    ahead = NOW + timedelta(hours=1)
    assert told_by(NOW, NOW + timedelta(seconds=1)).heeded(ahead, 1000.0) == ahead


def test_enough_that_agree_overrule_one_that_does_not() -> None:
    dates = [NOW + timedelta(seconds=number) for number in range(5)]
    clock = told_by(*dates)
    known = clock.at(1000.0)
    assert known is not None
    assert clock.heeded(NOW + timedelta(hours=1), 1000.0) == clock.heeded(THEN, 1000.0) == known
