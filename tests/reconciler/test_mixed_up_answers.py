"""Orders whose answers CloudPress mixed up are told by their callbacks, and get not each other's site."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, Placed, Refused, TaskRef
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel
from tests.reconciler.scripted import DAY, HOUR, Bench

OTHER = {"cp-2": "cp-3", "cp-3": "cp-2"}


@contextmanager
def answers_swapped(bench: Bench, *, own_task: bool = False) -> Iterator[None]:
    """Have CloudPress answer two orders that come in the block with each other's, perhaps not the task."""
    cloudpress, plain = bench.cloudpress, bench.cloudpress.place

    async def swapped(*given: Any, **more: Any) -> Answer[Placed]:
        own = (await plain(*given, **more)).value.order_id
        other = OTHER[own]
        task = TaskRef(id=int((own if own_task else other).removeprefix("cp-")), status="RUNNING")
        return Answer(Placed(order_id=other, task=task), b"{}", cloudpress.now)

    cloudpress.place = swapped  # type: ignore[method-assign]
    yield
    cloudpress.place = plain  # type: ignore[method-assign]


async def mixed_up(bench: Bench, *, own_task: bool = False) -> tuple[UUID, UUID]:
    """Have Rosa's order, which CloudPress has as `cp-2`, hold Ben's `cp-3`, and his hold hers."""
    await bench.complete_one_before()
    with answers_swapped(bench, own_task=own_task):
        rosa, ben = await bench.order("Rosa"), await bench.order("Ben")
        await bench.work()
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    return rosa, ben


async def call_back(bench: Bench, order_id: UUID, task_id: int) -> None:
    await record_callback(bench.db, order_id, b'{"task": {"id": %d}}' % task_id)


async def finish_both_and_call_back(bench: Bench, order_id: UUID) -> None:
    """Have CloudPress finish `cp-2` and `cp-3`, and call back for an order with the task of `cp-2`."""
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)


@pytest.mark.parametrize("status", ["RUNNING", "OK", "FAILED"])
async def test_answers_that_were_mixed_up_are_told_and_neither_order_is_concluded(
    bench: Bench, status: str
) -> None:
    rosa, ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", status)
    bench.cloudpress.end("cp-3", status)
    await call_back(bench, rosa, 2)
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    for order_id, named in ((rosa, "cp-2"), (ben, "cp-3")):
        order = await bench.read(order_id)
        assert (order.status, order.attention_code) == ("provisioning", "suspected_duplicate")
        assert named in (order.attention_detail or "")
        assert "cancel nothing" in (order.attention_detail or "")
        assert await bench.known_site(order_id) is None


async def test_who_finds_that_an_order_holds_anothers_can_fail_it(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    told = (await bench.read(rosa)).attention_detail
    await bench.say(rosa, "fail", by=Actor("Rosa"))
    await bench.work()
    assert (await bench.read(rosa)).attention_detail == told
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.error_code, order.resolution) == ("failed", "failed_by_operator", None)
    assert order.attention_detail == told, "nobody is told now to cancel one of the two"
    assert len(await bench.events(rosa, "order.attention_started")) == 1
    await dismiss_duplicates(bench.db, rosa, by=Actor("Rosa"))
    await bench.skim(DAY)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code, order.due_at) == ("failed", None, None)
    assert bench.cloudpress.count("cancel") == 0


async def test_what_its_own_callback_says_after_such_a_word_ends_the_word(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    await bench.say(rosa, "fail", by=Actor("Rosa"))
    bench.cloudpress.end("cp-3", "OK")
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.resolution) == ("completed", None)


async def test_a_word_to_fail_is_about_no_mix_up_that_is_found_after_it(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.script["order"] = [Refused(500)] * 5000
    await bench.skim(3 * DAY)
    assert (await bench.read(rosa)).attention_code == "unanswered"
    await bench.say(rosa, "fail", by=Actor("Rosa"))
    bench.cloudpress.script.clear()
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("provisioning", "suspected_duplicate")
    assert order.resolution is None


async def test_what_holds_anothers_is_not_cancelled_there(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    await call_back(bench, rosa, 2)
    await bench.work()
    await request_cancel(bench.db, rosa, by=Actor("Rosa"))
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("cancel") == 0


async def test_mixed_up_answers_are_told_also_where_the_orders_are_done(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    await call_back(bench, rosa, 2)
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    for order_id in (rosa, ben):
        order = await bench.read(order_id)
        assert (order.status, order.attention_code) == ("completed", "suspected_duplicate")


async def test_that_the_other_has_failed_at_cloudpress_does_not_end_it(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", "FAILED")
    bench.cloudpress.end("cp-3", "OK")
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("provisioning", "suspected_duplicate")


async def test_what_is_asked_stands_while_the_callback_cannot_be_looked_into(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.end("cp-3", "OK")
    await call_back(bench, rosa, 2)
    await bench.work()
    bench.cloudpress.script["task 2"] = [Refused(500)] * 100
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("provisioning", "suspected_duplicate")


async def test_who_lies_in_a_callback_stops_only_its_own_order_and_until_the_true_one_comes(
    bench: Bench,
) -> None:
    """Both orders have one name, so that all agrees with what the lie names."""
    liar, victim = await bench.order("Shop"), await bench.order("Shop")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, liar, 2)
    await bench.work_for(HOUR)
    stopped, other = await bench.read(liar), await bench.read(victim)
    assert (stopped.status, stopped.attention_code) == ("provisioning", "suspected_duplicate")
    assert (other.status, other.attention_code) == ("completed", None)
    await call_back(bench, liar, 1)
    await bench.work_for(HOUR)
    order = await bench.read(liar)
    assert (order.status, order.attention_code) == ("completed", None), "what the victim holds is no double"


async def test_an_operator_who_finds_nothing_mixed_up_has_the_order_go_on(bench: Bench) -> None:
    order_id, _other = await bench.order("Shop"), await bench.order("Shop")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 2)
    await bench.work()
    await dismiss_duplicates(bench.db, order_id, by=Actor("Rosa"))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("completed", None)


async def test_a_callback_that_names_anothers_after_the_own_one_changes_nothing(bench: Bench) -> None:
    order_id, _other = await bench.order("Shop"), await bench.order("Shop")
    await bench.work()
    await call_back(bench, order_id, 1)
    await call_back(bench, order_id, 2)
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("completed", None)
