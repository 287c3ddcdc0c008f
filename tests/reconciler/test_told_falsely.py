"""What a person is told is so, also where a look failed, a pass goes on, or what is held is gone."""

from typing import Any

import pytest

from app.cloudpress import Refused
from app.events.timeline import Actor
from tests.reconciler.scripted import DAY, GRACE_SECONDS, LOST, Bench
from tests.reconciler.test_hanging_tasks import sent_twice
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


@pytest.mark.parametrize("failure", [Refused(500), LOST, Refused(429, (), 600.0)], ids=["500", "lost", "429"])
async def test_nobody_is_told_that_placing_is_off_where_a_list_could_not_be_read(
    bench: Bench, failure: Exception
) -> None:
    """The look that would settle it fails right after the grace period."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    made_at = (await bench.read(order_id)).created_at
    order = await bench.read(order_id)
    while order.attention_detail is None and order.due_at is not None:
        bench.clock.time = max(order.due_at, bench.clock.time)
        passed = (bench.clock.time - made_at).total_seconds()
        if passed > 2 * GRACE_SECONDS:
            break
        if passed > GRACE_SECONDS - 1:
            bench.cloudpress.script["orders"] = [failure]
        await bench.work()
        order = await bench.read(order_id)
    assert "PLACING=off" not in (order.attention_detail or ""), await told(bench, order_id)


async def test_nobody_is_told_of_a_callback_since_his_word_that_came_days_before(bench: Bench) -> None:
    """Passes have seen it and a person was told; one holds the order while he has it placed again."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await call_back(bench, order_id, 9)
    await bench.work_for(2 * DAY)
    plain = bench.cloudpress.orders

    async def meanwhile(*asked: Any, **more: Any) -> Any:
        bench.cloudpress.orders = plain  # type: ignore[method-assign]
        await bench.say(order_id, "place_again", by=BY)
        return await plain(*asked, **more)

    bench.cloudpress.orders = meanwhile  # type: ignore[method-assign]
    for _ in range(20):
        order = await bench.read(order_id)
        assert "Since it was asked" not in (order.attention_detail or "")
        bench.clock.time = max(bench.clock.time, order.due_at or bench.clock.time)
        await bench.work()
    assert bench.cloudpress.orders == plain, "the list was asked for"


async def test_nobody_is_told_to_cancel_one_too_many_where_cloudpress_has_only_one(bench: Bench) -> None:
    """Sent twice; CloudPress deletes the one that is held, and the late look finds the other."""
    order_id, held = await sent_twice(bench)
    bench.cloudpress.orders_made.pop(held)
    bench.cloudpress.tasks.pop(int(held.removeprefix("cp-")))
    await bench.skim(3 * DAY)
    detail = (await bench.read(order_id)).attention_detail or ""
    assert "cancel the one too many" not in detail, await told(bench, order_id)
