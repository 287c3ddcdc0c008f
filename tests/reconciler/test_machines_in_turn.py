"""Passes that each run on another machine, whose uptimes begin anew, hold back nothing for ever."""

from datetime import timedelta

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


async def pass_each_hour(bench: Bench, hours: int, *, on_new_machines: bool) -> None:
    """Run a pass each hour, perhaps each on a machine of its own."""
    for number in range(hours):
        if on_new_machines:
            bench.clock.boot = f"machine {number}"
        bench.clock.time += timedelta(seconds=HOUR)
        await bench.work()


@pytest.mark.parametrize("new_machine", [False, True])
async def test_every_pass_on_a_new_machine(bench: Bench, *, new_machine: bool) -> None:
    """Its callback names a number that is no task."""
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, rosa, 90)
    await pass_each_hour(bench, 24 * 30, on_new_machines=new_machine)
    order = await bench.read(rosa)
    assert order.status == "completed", await told(bench, rosa)


@pytest.mark.parametrize("new_machine", [False, True])
async def test_every_pass_on_a_new_machine_cancel(bench: Bench, *, new_machine: bool) -> None:
    """Nor a wish to cancel."""
    rosa = await bench.order("Rosa")
    await bench.work()
    await call_back(bench, rosa, 90)
    await request_cancel(bench.db, rosa, by=BY)
    await pass_each_hour(bench, 24 * 3, on_new_machines=new_machine)
    order = await bench.read(rosa)
    assert order.status == "cancelled", await told(bench, rosa)


@pytest.mark.parametrize("new_machine", [False, True])
async def test_a_word_while_held_on_new_machines(bench: Bench, *, new_machine: bool) -> None:
    """Nor a word."""
    rosa = await bench.order("Rosa")
    await bench.work()
    for request in ("order", "task", "site"):
        bench.cloudpress.script[request] = [NotFound(404)] * 50000
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).attention_code == "not_found"
    await bench.say(rosa, "fail", by=BY)
    await call_back(bench, rosa, 90)
    await pass_each_hour(bench, 24 * 10, on_new_machines=new_machine)
    order = await bench.read(rosa)
    assert order.status == "failed", (await told(bench, rosa), order.resolution)


@pytest.mark.parametrize("new_machine", [False, True])
async def test_a_look_up_on_new_machines(bench: Bench, *, new_machine: bool) -> None:
    """Nor what the list shows."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    await call_back(bench, order_id, 900)
    await pass_each_hour(bench, 24 * 10, on_new_machines=new_machine)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == "cp-2", await told(bench, order_id)


@pytest.mark.parametrize("machines", [1, 2, 5])
async def test_a_word_ends_over_several_machines(bench: Bench, machines: int) -> None:
    """A word waits for a look for a day at most."""
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.script["order"] = [NotFound(404)] * 50000
    bench.cloudpress.script["task"] = [NotFound(404)] * 50000
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).attention_code == "not_found"
    bench.cloudpress.script["order"] = [Refused(500)] * 50000
    bench.cloudpress.script["task"] = [Refused(500)] * 50000
    await bench.say(rosa, "fail", by=BY)
    for number in range(1, 12 * 24 * 3):  # three days
        bench.clock.boot = f"machine {number % machines}"
        bench.clock.time += timedelta(seconds=600)
        await bench.work()
    order = await bench.read(rosa)
    assert order.status == "failed", (await told(bench, rosa), order.resolution)
