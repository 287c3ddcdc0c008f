"""What looked like an order before it was found is not forgotten: it may be bought twice."""

from uuid import UUID

import pytest

from app.orders.resolving import request_resolution
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA, answered_late
from tests.reconciler.test_mixed_up_answers import call_back


async def holds_and_is_told_of_the_other(bench: Bench, order_id: UUID, held: str) -> None:
    """Hold that an order gets the one of two at once, and that a person is told of `cp-2` in time."""
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == held
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert "cp-2" in (order.attention_detail or ""), (order.status, order.attention_code, order.late_look_at)


async def test_a_double_is_told_that_a_look_up_saw_before_a_callback_named_the_other(bench: Bench) -> None:
    """A gateway has sent it twice, both are listed; of the two callbacks one is lost."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    second = bench.cloudpress.land("Shop")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.attention_code == "placement_ambiguous"
    await call_back(bench, order_id, 4)
    await holds_and_is_told_of_the_other(bench, order_id, second)


@pytest.mark.parametrize("news", ["callback", "answer"])
async def test_a_double_is_told_that_was_held_before_the_other_replaced_it(bench: Bench, news: str) -> None:
    """A gateway has sent it twice; the list shows the first, which is taken, and then comes the second."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", status="awaiting_payment", payment_url="https://pay.example/2")
    bench.cloudpress.end("cp-2", "PENDING")
    await bench.work_for(60)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"
    second = bench.cloudpress.land("Shop")
    if news == "callback":
        await call_back(bench, order_id, 4)
    else:
        await answered_late(bench, order_id, second)
    await holds_and_is_told_of_the_other(bench, order_id, second)


async def test_what_another_order_has_by_now_is_no_double_any_more(bench: Bench) -> None:
    """Who obeyed the advice would cancel another customer's site."""
    bench.cloudpress.script["answer"] = [None, LOST]
    rosa = await bench.order_among_others()
    bench.cloudpress.script["place"] = [LOST]
    ben = await bench.order("Shop")
    await bench.work()
    bens = bench.cloudpress.land("Shop")
    await bench.work_for(HOUR)
    await call_back(bench, rosa, 2)
    await bench.work_for(60)
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(6 * HOUR)
    assert bens in ((await bench.read(rosa)).attention_detail or "")
    await request_resolution(bench.db, ben, action="adopt", cloudpress_order_id=bens, by=ROSA)
    await bench.work_for(3 * DAY)
    assert (await bench.read(ben)).status == "completed"
    order = await bench.read(rosa)
    assert order.attention_code is None, order.attention_detail
