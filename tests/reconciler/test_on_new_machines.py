"""Passes that each run on another machine, and words that a restoration takes away."""

from datetime import timedelta

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.requests import request_cancel
from app.orders.restorations import remember_restoration
from tests.reconciler.scripted import GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_machines_in_turn import pass_each_hour
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


@pytest.mark.parametrize("new_machine", [False, True])
async def test_a_slip_ends_also_on_new_machines(bench: Bench, *, new_machine: bool) -> None:
    """He names what there is not: his word ends, and the order's own callback finds it then."""
    bench.cloudpress.script["answer"] = [None, LOST]
    bench.cloudpress.hides = lambda it: it == "cp-2"
    order_id = await bench.order_among_others()
    await bench.work()
    await adopt(bench, order_id, "cp-22")
    await call_back(bench, order_id, 2)
    await pass_each_hour(bench, 24 * 10, on_new_machines=new_machine)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == "cp-2", (await told(bench, order_id), len(str(order.resolution)))


@pytest.mark.parametrize("new_machine", [False, True])
async def test_what_is_gone_is_cancelled_also_on_new_machines(bench: Bench, *, new_machine: bool) -> None:
    """CloudPress agrees to cancel, and shows the order no more."""
    cloudpress = bench.cloudpress
    rosa = await bench.order("Rosa")
    await bench.work()
    cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work()
    assert cloudpress.count("cancel") == 1
    for request in ("order", "task"):
        cloudpress.script[request] = [NotFound(404)] * 50000
    cloudpress.script["cancel"] = [NotFound(404)] * 50000
    await pass_each_hour(bench, 24 * 10, on_new_machines=new_machine)
    assert (await bench.read(rosa)).status == "cancelled", await told(bench, rosa)


@pytest.mark.parametrize("word", ["adopt", "place_again"])
async def test_a_word_that_a_restoration_takes_away_is_told(bench: Bench, word: str) -> None:
    """A word waits, and is in the backup that is restored: it is done, stands, or its end is told."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["answer"] = [None, LOST]
    bench.cloudpress.hides = lambda it: it == "cp-2"
    order_id = await bench.order_among_others()
    await bench.work_for(2 * GRACE_SECONDS)
    bench.cloudpress.script["order"] = [Refused(500)] * 50000
    bench.cloudpress.script["orders"] = [Refused(500)] * 50000
    if word == "adopt":
        await adopt(bench, order_id, "cp-2")
    else:
        await bench.say(order_id, word, by=BY)
    await bench.work_for(60)
    assert (await bench.read(order_id)).resolution
    bench.clock.time += timedelta(days=1)
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    bench.cloudpress.script.clear()
    await search_of(bench).search()
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    is_done = order.cloudpress_order_id == "cp-2" if word == "adopt" else order.status != "unconfirmed"
    ended = await bench.events(order_id, "order.resolution_impossible")
    assert is_done or order.resolution or ended, await told(bench, order_id)


async def test_twelve_machines_in_turn_hold_for_the_grace(bench: Bench) -> None:
    """A callback names a number that is no task; twelve replicas look in turn."""
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, rosa, 90)
    for number in range(6 * 12):  # three hours, twelve machines, each every half an hour
        bench.clock.boot = f"machine {number % 12}"
        bench.clock.time += timedelta(seconds=150)
        await bench.work()
    assert (await bench.read(rosa)).status == "completed", await told(bench, rosa)
