"""CloudPress says when it wants to be asked again: that holds with whichever answer of a pass it came."""

from datetime import datetime, timedelta

import pytest

from app.cloudpress import Refused
from app.db.models import Order
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back

BUSY = Refused(503, ("later",), HOUR, is_own_form=True)
TOO_MUCH = Refused(429, ("later",), HOUR, is_own_form=True)


def is_left_alone(order: Order, began_at: datetime) -> bool:
    return order.not_before is not None and order.not_before - began_at >= timedelta(seconds=HOUR)


async def lost_among_two(bench: Bench) -> tuple[Order, str, str]:
    """Have the answer to an order lost, and two others listed, of which the second is looked at first."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    return await bench.read(order_id), bench.cloudpress.land("One"), bench.cloudpress.land("Two")


@pytest.mark.parametrize("then", ["nothing", "broken", "shown"])
async def test_one_of_those_that_are_listed_says_when(bench: Bench, then: str) -> None:
    order, one, two = await lost_among_two(bench)
    bench.cloudpress.script[f"order {two}"] = [BUSY]
    if then == "broken":
        bench.cloudpress.script[f"order {one}"] = [Refused(500)] * 3
    if then == "nothing":
        bench.cloudpress.orders_made.pop(one)
    while not bench.cloudpress.count(f"order {two}"):
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order.id), bench.clock.time - timedelta(seconds=5))
    assert not bench.cloudpress.count(f"order {one}"), "nothing more is asked in that pass"
    await bench.work_for(HOUR - 60)
    assert bench.cloudpress.count(f"order {two}") == 1
    await bench.work_for(HOUR)
    assert bench.cloudpress.count(f"order {two}") > 1, "it is asked again after that"
    assert then == "nothing" or bench.cloudpress.count(f"order {one}"), "behind the others"


async def test_one_that_is_suspected_unseen_says_when(bench: Bench) -> None:
    """A person knows of it, so it is not in the way of his word: it is asked about no sooner all the same."""
    order, _, two = await lost_among_two(bench)
    async with bench.db.write() as tx:
        row = await tx.session.get_one(Order, order.id)
        row.resolution = {"action": "place_again", "known": [two]}
    bench.cloudpress.script[f"order {two}"] = [BUSY]
    while not bench.cloudpress.count(f"order {two}"):
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order.id), bench.clock.time - timedelta(seconds=5))


async def test_the_list_says_when_and_a_callbacks_task_is_broken(bench: Bench) -> None:
    order, _, _ = await lost_among_two(bench)
    await call_back(bench, order.id, 77)
    bench.cloudpress.script["task 77"] = [Refused(500)] * 100
    bench.cloudpress.script["orders"] = [TOO_MUCH]
    while bench.cloudpress.script["orders"]:
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order.id), bench.clock.time - timedelta(seconds=5))


async def test_the_second_of_two_tasks_says_when_and_the_first_is_broken(bench: Bench) -> None:
    order, _, _ = await lost_among_two(bench)
    await call_back(bench, order.id, 77)
    await call_back(bench, order.id, 78)
    bench.cloudpress.script["task 77"] = [Refused(500)] * 100
    bench.cloudpress.script["task 78"] = [BUSY]
    while bench.cloudpress.script["task 78"]:
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order.id), bench.clock.time - timedelta(seconds=5))


async def test_the_site_says_when_that_would_tell_what_a_callback_names(bench: Bench) -> None:
    order, _, two = await lost_among_two(bench)
    number = int(two.removeprefix("cp-"))
    site = bench.cloudpress.orders_made[two].site
    assert site is not None
    bench.cloudpress.tell(two, site=site.model_copy(update={"name": None}))
    await call_back(bench, order.id, number)
    bench.cloudpress.script[f"site {site.id}"] = [BUSY]
    while bench.cloudpress.script[f"site {site.id}"]:
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order.id), bench.clock.time - timedelta(seconds=5))


async def test_a_callbacks_task_says_when_and_a_double_is_broken(bench: Bench) -> None:
    order_id = await bench.order("Shop")
    await bench.work()
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, order_id)).suspected_duplicates = ["cp-9"]
    await bench.work_for(200)
    await call_back(bench, order_id, 77)
    bench.cloudpress.script["order cp-9"] = [Refused(500)] * 100
    bench.cloudpress.script["task 77"] = [BUSY]
    while bench.cloudpress.script["task 77"]:
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order_id), bench.clock.time - timedelta(seconds=5))


async def test_one_double_says_when_and_the_next_is_broken(bench: Bench) -> None:
    order_id = await bench.order("Shop")
    await bench.work()
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, order_id)).suspected_duplicates = ["cp-8", "cp-9"]
    bench.cloudpress.script["order cp-8"] = [BUSY]
    bench.cloudpress.script["order cp-9"] = [Refused(500)] * 100
    while bench.cloudpress.script["order cp-8"]:
        await bench.work_for(5)
    assert is_left_alone(await bench.read(order_id), bench.clock.time - timedelta(seconds=5))


async def test_the_late_look_for_a_double_goes_on_where_one_said_when(bench: Bench) -> None:
    """What else is listed is looked at an hour later, before the double is taken for searched."""
    order_id = await bench.order("Shop")
    await bench.work()
    one, two = bench.cloudpress.land("Shop"), bench.cloudpress.land("Two")
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, order_id)).late_look_at = bench.clock.time
    bench.cloudpress.script[f"order {two}"] = [BUSY] * 2
    await bench.work_for(300)
    assert (bench.cloudpress.count(f"order {two}"), bench.cloudpress.count(f"order {one}")) == (1, 0)
    await bench.work_for(HOUR + 60)
    assert bench.cloudpress.count(f"order {two}") == 2, "it says so once more"
    assert (await bench.read(order_id)).suspected_duplicates == [one]
