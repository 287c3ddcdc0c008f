"""An order about which CloudPress tells nothing for a day asks for a person, and goes on by itself."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import BadAnswer, CloudPressError, NotFound, Refused, SiteRef
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.requests import request_cancel
from app.orders.waking import make_due
from app.schedule import Schedule
from tests.reconciler.scripted import HOUR, LOST, Bench

ALWAYS = 500


async def later(bench: Bench, seconds: float) -> None:
    """Let time pass, and have each order that is due looked at every four hours, and once at the end."""
    end = bench.clock.time + timedelta(seconds=seconds)
    while bench.clock.time < end:
        bench.clock.time = min(end, bench.clock.time + timedelta(hours=4))
        await bench.work()


async def refreshed(bench: Bench, order_id: UUID) -> Order:
    """Look at an order now, with nothing scripted any more."""
    bench.cloudpress.script.clear()
    async with bench.db.write() as tx:
        make_due(tx, await tx.session.get_one(Order, order_id))
    await bench.work_for(600)
    return await bench.read(order_id)


def provisioning(bench: Bench) -> str:
    return "order"


def awaiting_payment(bench: Bench) -> str:
    bench.cloudpress.tell("cp-1", payment_url="https://pay.example/1", asks_for_payment=True)
    return "order"


def unread_task(bench: Bench) -> str:
    return "task"


@pytest.mark.parametrize(
    ("world", "failure"),
    [
        (provisioning, BadAnswer("odd", kind="unexpected_shape")),
        (provisioning, Refused(429, (), 600.0)),
        (awaiting_payment, Refused(500)),
        (unread_task, LOST),
    ],
)
async def test_what_can_never_be_read_asks_for_a_person_after_a_day(
    bench: Bench, world: Callable[[Bench], str], failure: CloudPressError
) -> None:
    order_id = await bench.order()
    await bench.work()
    request = world(bench)
    await later(bench, HOUR)
    before = await bench.read(order_id)
    bench.cloudpress.script[request] = [failure] * ALWAYS
    await later(bench, HOUR)
    await later(bench, 23 * HOUR)
    assert (await bench.read(order_id)).attention_code is None, "an outage that may end"
    await later(bench, HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == (before.status, "unanswered")
    asked = bench.cloudpress.count(request)
    await later(bench, HOUR)
    assert bench.cloudpress.count(request) > asked, "it goes on asking"
    order = await refreshed(bench, order_id)
    assert (order.status, order.attention_code, order.silent_since) == (before.status, None, None)


async def test_an_outage_that_ends_within_a_day_tells_no_order(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    for _ in range(3):
        bench.cloudpress.script["order"] = [LOST] * ALWAYS
        await later(bench, HOUR)
        await later(bench, 20 * HOUR)
        await refreshed(bench, order_id)
    assert not await bench.events(order_id, "order.attention_started")


async def test_failures_that_alternate_with_404_are_one_silence(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [LOST, NotFound(404)] * ALWAYS
    for _ in range(14):
        await later(bench, 2 * HOUR)
    assert (await bench.read(order_id)).attention_code in {"unanswered", "not_found"}


async def test_a_cancellation_that_never_gets_an_answer_asks_for_a_person(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["cancel"] = [Refused(500)] * ALWAYS
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    await later(bench, HOUR)
    await later(bench, 24 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", "unanswered")
    assert (await refreshed(bench, order_id)).status == "cancelled"


async def test_a_cancellation_that_comes_to_nothing_asks_for_a_person(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    await later(bench, HOUR)
    await later(bench, 23 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    for _ in range(30):
        await later(bench, HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", "unanswered")
    assert "agreed to cancel" in (order.attention_detail or "")
    assert len(await bench.events(order_id, "order.needs_attention")) == 1
    assert bench.cloudpress.count("cancel") == 3, "it is asked again after each day"
    bench.cloudpress.end("cp-1", "OK")
    order = await refreshed(bench, order_id)
    assert (order.status, order.attention_code) == ("completed", None)


async def test_a_cancellation_that_is_refused_in_the_end_asks_for_nobody(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    bench.cloudpress.script["cancel"] = [None, Refused(422, ("no",), None, is_own_form=True)]
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    for _ in range(30):
        await later(bench, HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.cancel_refusal) == ("provisioning", None, ["no"])


async def test_an_unconfirmed_order_whose_look_ups_fail_asks_once_the_grace_is_over(bench: Bench) -> None:
    bench.set(schedule=Schedule(120, 26 * HOUR))
    bench.cloudpress.script["answer"] = [LOST]
    bench.cloudpress.script["orders"] = [Refused(500)] * ALWAYS
    order_id = await bench.order()
    await bench.work()
    await later(bench, HOUR)
    await later(bench, 24 * HOUR)
    assert (await bench.read(order_id)).attention_code == "unanswered", "the grace is longer than a day"
    await later(bench, 2 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", "placement_unconfirmed")


async def test_a_final_order_whose_callback_cannot_be_looked_into_asks_for_a_person(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await later(bench, HOUR)
    bench.cloudpress.script["task 7"] = [Refused(500)] * ALWAYS
    await record_callback(bench.db, order_id, b'{"task": {"id": 7}}')
    await later(bench, HOUR)
    await later(bench, 24 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("completed", "unanswered")
    assert (await refreshed(bench, order_id)).attention_code is None


@pytest.mark.parametrize("fails_now_and_then", [False, True])
async def test_what_is_finished_and_links_no_site_asks_for_a_person_after_a_day(
    bench: Bench, *, fails_now_and_then: bool
) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    task = bench.cloudpress.tasks[1]
    bench.cloudpress.tasks[1] = task.model_copy(update={"site_ids": ()})
    bench.cloudpress.tell("cp-1", site=None)
    if fails_now_and_then:
        bench.cloudpress.script["order"] = [LOST, None] * ALWAYS
    await later(bench, HOUR)
    await later(bench, 23 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    for _ in range(4):
        await later(bench, HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", "site_missing")
    assert len(await bench.events(order_id, "order.attention_started")) == 1
    bench.cloudpress.tell("cp-1", site=SiteRef(id="site-1", name="Shop"))
    order = await refreshed(bench, order_id)
    assert (order.status, order.attention_code) == ("completed", None)
