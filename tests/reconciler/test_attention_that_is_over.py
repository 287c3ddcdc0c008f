"""Attention whose cause is gone ends, also where something else of the order cannot be seen."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import CloudPressError, NotSent, Refused
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.resolving import request_resolution
from tests.reconciler.scripted import ACCOUNT, DAY, GRACE_SECONDS, HOUR, LOST, Bench

BY = Actor("operator")


async def sought(bench: Bench) -> tuple[UUID, str]:
    """Have an order be asked about that CloudPress hides; return its ids here and there."""
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    landed = bench.cloudpress.land("Shop", status="RUNNING")
    bench.cloudpress.hides = lambda it: it == landed
    await bench.work_for(GRACE_SECONDS * 1.5)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    return order_id, landed


@pytest.mark.parametrize("failure", [Refused(500), LOST])
async def test_an_order_that_was_adopted_asks_for_no_placement(
    bench: Bench, failure: CloudPressError
) -> None:
    order_id, landed = await sought(bench)
    bench.cloudpress.script["task"] = [failure] * 5000
    await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id=landed, by=BY)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("provisioning", landed)
    assert order.attention_code is None
    # And what is true is not hidden by it.
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"


async def test_nor_does_one_that_its_callback_led_to(bench: Bench) -> None:
    await bench.order("Before")
    await bench.work()
    order_id, landed = await sought(bench)
    number = landed.removeprefix("cp-")
    # The task that the callback names is read, and then fails.
    bench.cloudpress.script[f"task {number}"] = [None] + [Refused(500)] * 5000
    await record_callback(bench.db, order_id, f'{{"task_id": {number}}}'.encode())
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("provisioning", landed)
    assert order.attention_code == "unanswered"


async def test_a_double_that_was_cancelled_is_told_no_more(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    other = bench.cloudpress.land("Shop", status="RUNNING")
    await record_callback(bench.db, order_id, b'{"task_id": 2}')
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", [other])
    bench.cloudpress.script["task 1"] = [Refused(500)] * 5000
    await bench.work_for(HOUR)
    bench.cloudpress.end(other, "CANCELLED")
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == (None, None)


async def without_token(bench: Bench, order_id: UUID) -> None:
    """Have the account's token go, and come again once that is told."""
    bench.accounts.clear()
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "account_unknown"
    bench.accounts.add(ACCOUNT)


@pytest.mark.parametrize(
    "failure", [NotSent("refused", kind="connect"), Refused(429, (), 60.0, is_own_form=True)]
)
async def test_a_token_that_is_stored_again_is_not_asked_for(bench: Bench, failure: CloudPressError) -> None:
    order_id = await bench.order()
    await without_token(bench, order_id)
    bench.cloudpress.script["place"] = [failure] * 5000
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place") > 5
    assert (order.status, order.attention_code) == ("pending", None)


async def test_nor_while_nothing_is_sent(bench: Bench) -> None:
    order_id = await bench.order()
    await without_token(bench, order_id)
    bench.set(placing=False)
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("pending", None)


async def test_nor_of_an_order_that_was_placed(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    await without_token(bench, order_id)
    bench.cloudpress.script["task"] = [Refused(500)] * 5000
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", "unanswered")


async def test_placing_that_is_off_for_a_day_asks_for_a_person(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("pending", "not_sent")


async def test_a_word_to_send_it_is_heard_each_time_that_it_is_asked_for(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.skim(2 * DAY)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(6 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_sent"
    assert len(await bench.events(order_id, "order.needs_attention")) == 2
    bench.set(placing=True)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id is not None


async def test_what_was_tried_before_a_word_delays_it_by_nothing(bench: Bench) -> None:
    order_id = await bench.order()
    bench.cloudpress.script["place"] = [NotSent("refused", kind="connect")] * 5000
    await bench.skim(2 * DAY)
    bench.cloudpress.script["place"] = [NotSent("refused", kind="connect")]
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(30)
    assert (await bench.read(order_id)).cloudpress_order_id is not None


async def test_machines_that_all_count_the_grace_anew_ask_after_a_day(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST, None]
    order_id = await bench.order_among_others()
    for number in range(160):
        bench.clock.boot = f"machine {number}"
        bench.clock.time += timedelta(seconds=600)
        await bench.work_for(0)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
