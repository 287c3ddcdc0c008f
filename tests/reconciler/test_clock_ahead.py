"""One answer that is ahead, or one machine of CloudPress's in fifty, makes nothing of ours old."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, Placed, TaskRef
from app.events.timeline import Actor
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back, finish_both_and_call_back
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


async def ahead_once(bench: Bench, ahead: timedelta) -> None:
    """Have one answer be told with a `Date` that is ahead."""
    await bench.order("Other")
    plain = bench.cloudpress._answer

    def answer(value: Any) -> Answer[Any]:
        return Answer(value, b"{}", bench.cloudpress.now + ahead)

    bench.cloudpress._answer = answer  # type: ignore[method-assign]
    await bench.work()
    bench.cloudpress._answer = plain  # type: ignore[method-assign]


async def answered_with_strangers(bench: Bench) -> UUID:
    """Rosa's order, at CloudPress cp-2, is answered with cp-3, a stranger's of the account."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    plain = cloudpress.place

    async def swapped(*given: Any, **more: Any) -> Answer[Placed]:
        await plain(*given, **more)
        cloudpress.land("Stranger")
        return Answer(Placed(order_id="cp-3", task=TaskRef(id=3, status="RUNNING")), b"{}", cloudpress.now)

    cloudpress.place = swapped  # type: ignore[method-assign]
    rosa = await bench.order("Rosa")
    await bench.work()
    cloudpress.place = plain  # type: ignore[method-assign]
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    return rosa


@pytest.mark.parametrize("minutes", [0, 10, 24 * 60])
async def test_one_answer_that_is_ahead_gives_an_order_anothers_site(bench: Bench, minutes: int) -> None:
    """Her callback is believed, also where an answer to another order was told ahead of time."""
    rosa = await answered_with_strangers(bench)
    await ahead_once(bench, timedelta(minutes=minutes))
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("minutes", [0, 10])
async def test_one_machine_in_fifty_is_ahead(bench: Bench, minutes: int) -> None:
    """A lost order is found by its callback, and nobody is asked."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda it: it == "cp-2"
    made = 0

    def answer(value: Any) -> Answer[Any]:
        nonlocal made
        made += 1
        ahead = timedelta(minutes=minutes) if made % 50 == 1 else timedelta()
        return Answer(value, b"{}", bench.cloudpress.now + ahead)

    bench.cloudpress._answer = answer  # type: ignore[method-assign]
    await bench.order("Other")
    await bench.work()
    await call_back(bench, order_id, 2)
    await bench.work_for(5 * HOUR)
    order = await bench.read(order_id)
    asked = await bench.events(order_id, "order.attention_started")
    assert order.cloudpress_order_id == "cp-2", await told(bench, order_id)
    assert not asked, asked


@pytest.mark.parametrize("minutes", [0, 10])
async def test_one_answer_that_is_ahead_asks_a_person(bench: Bench, minutes: int) -> None:
    """The same of one answer."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda it: it == "cp-2"
    await ahead_once(bench, timedelta(minutes=minutes))
    await call_back(bench, order_id, 2)
    await bench.work_for(5 * HOUR)
    asked = await bench.events(order_id, "order.attention_started")
    assert not asked, [event.data for event in asked]
