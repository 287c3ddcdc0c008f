"""The look hours later for what a late request has made."""

from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import (
    Answer,
    BadAnswer,
    CloudPressError,
    NotFound,
    OrderDetails,
    Placed,
    Refused,
    SiteRef,
)
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.resolving import request_resolution
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress

BY = Actor("operator")


async def sent_twice(bench: Bench) -> UUID:
    """Have an order sent, beside one that goes well, and again by an operator's word; return its id."""
    await bench.order("Before")
    await bench.work()
    order_id = await bench.order()
    await bench.work_for(GRACE_SECONDS * 1.5)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(GRACE_SECONDS / 2)
    assert bench.cloudpress.count("place Shop") == 2
    return order_id


@pytest.mark.parametrize(("end", "status"), [("OK", "completed"), ("FAILED", "failed")])
async def test_it_does_not_go_on_with_a_look_up_from_before(bench: Bench, end: str, status: str) -> None:
    """What has failed need not be listed, so that a list in which it is missing proves nothing."""
    bench.cloudpress.script["place"] = [None, LOST, LOST]
    order_id = await sent_twice(bench)
    # The first page is read, which shows nothing of it, and the next one fails for as long as it is sought.
    bench.cloudpress.script["orders"] = [None, *[Refused(500)] * 50]
    await bench.work_for(GRACE_SECONDS / 2)
    first = bench.cloudpress.land("Shop")
    bench.cloudpress.end(first, end)
    await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id=first, by=BY)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == status
    bench.cloudpress.script["orders"] = []
    second = bench.cloudpress.land("Shop")
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == [second]
    assert order.attention_code == "suspected_duplicate"


class Failing(ScriptedCloudPress):
    """Fails to show one order."""

    failing = ""
    failure: CloudPressError = Refused(500)

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        if order_id == self.failing:
            raise self.failure
        return await super().order(order_id, timeout_seconds=timeout_seconds)


NOT_SHOWN = [Refused(500), BadAnswer("odd", kind="unexpected_shape")]


@pytest.mark.parametrize("failure", NOT_SHOWN)
async def test_it_sees_past_a_double_that_cannot_be_shown(bench: Bench, failure: CloudPressError) -> None:
    failing = bench.use(Failing(bench.clock))
    failing.script["place"] = [None, LOST, None]
    order_id = await sent_twice(bench)
    bench.cloudpress.end("cp-2", "OK")
    double = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, f'{{"task_id": {double.removeprefix("cp-")}}}'.encode())
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [double]
    failing.failing, failing.failure = double, failure
    late = bench.cloudpress.land("Shop")
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == sorted([double, late])
    assert order.late_look_at is None, "all that was not told before has been seen"


async def finished(bench: Bench) -> UUID:
    """Have an order be sent twice, and finish with what the second request has made."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    held = (await bench.read(order_id)).cloudpress_order_id
    assert held is not None
    bench.cloudpress.end(held, "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    return order_id


@pytest.mark.parametrize("failure", NOT_SHOWN)
async def test_a_strangers_order_that_cannot_be_shown_hides_no_double(
    bench: Bench, failure: CloudPressError
) -> None:
    failing = bench.use(Failing(bench.clock))
    order_id = await finished(bench)
    doubles = [failing.land("Shop"), failing.land("A stranger's"), failing.land("Shop")]
    strangers = doubles.pop(1)
    failing.failing, failing.failure = strangers, failure
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert (order.suspected_duplicates, order.late_look_at is None) == (doubles, False)
    asked = failing.count("orders")
    await bench.skim(3 * DAY)
    await bench.work_for(6 * HOUR)
    assert 0 < failing.count("orders") - asked < 100, "it is tried again, and ever more seldom"
    failing.tell(strangers, site=failing.orders_made[doubles[0]].site)  # it was no stranger's
    failing.failing = ""
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert (order.suspected_duplicates, order.late_look_at) == ([*doubles, strangers], None)


@pytest.mark.parametrize("failure", [Refused(402, ("suspended",), is_own_form=True), NotFound(404)])
async def test_a_double_is_told_whose_site_alone_would_tell_its_name_and_is_suspended_or_not_shown(
    bench: Bench, failure: CloudPressError
) -> None:
    order_id = await finished(bench)
    double = bench.cloudpress.land("Shop")
    bench.cloudpress.tell(double, site=SiteRef(id="site-4", name=None))
    bench.cloudpress.script["site site-4"] = [failure] * 1000
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert (order.suspected_duplicates, order.late_look_at) == ([double], None)


async def test_one_that_alone_cannot_be_shown_is_told_after_a_day(bench: Bench) -> None:
    failing = bench.use(Failing(bench.clock))
    order_id = await finished(bench)
    failing.failing = failing.land("Shop")
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    asked = failing.count("orders")
    await bench.work_for(6 * HOUR)
    assert failing.count("orders") - asked <= 2 * 6


async def test_a_list_that_leaves_out_what_is_held_was_no_look(bench: Bench) -> None:
    order_id = await finished(bench)
    double = bench.cloudpress.land("Shop")
    bench.cloudpress.hides = lambda _it: True
    await bench.work_for(5 * HOUR)
    order = await bench.read(order_id)
    assert order.suspected_duplicates is None
    assert order.late_look_at is not None
    bench.cloudpress.hides = lambda _it: False
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert (order.suspected_duplicates, order.late_look_at) == ([double], None)


@pytest.mark.parametrize("status", ["OK", "RUNNING"])
async def test_where_what_is_held_is_never_listed_it_is_made_ever_more_seldom(
    bench: Bench, status: str
) -> None:
    order_id = await finished(bench) if status == "OK" else await still_running(bench)
    held = (await bench.read(order_id)).cloudpress_order_id
    bench.cloudpress.hides = lambda it: it == held
    await bench.skim(2 * DAY)
    asked = bench.cloudpress.count("orders")
    await bench.skim(DAY)
    assert 0 < bench.cloudpress.count("orders") - asked < 2 * 12
    assert (await bench.read(order_id)).attention_code is None


async def still_running(bench: Bench) -> UUID:
    """Have an order be sent twice, of which what the second request has made goes on."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(3 * HOUR)
    assert (await bench.read(order_id)).status == "provisioning"
    return order_id


async def test_what_was_cancelled_need_not_be_listed(bench: Bench) -> None:
    order_id = await still_running(bench)
    held = (await bench.read(order_id)).cloudpress_order_id
    assert held is not None
    bench.cloudpress.end(held, "CANCELLED")
    bench.cloudpress.hides = lambda it: it == held
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.late_look_at, order.due_at) == ("cancelled", None, None)


async def test_a_list_that_is_refused_for_ever_is_asked_for_once_an_hour(bench: Bench) -> None:
    order_id = await finished(bench)
    bench.cloudpress.script["orders"] = [Refused(403, ("no",), is_own_form=True)] * 100_000
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    asked = bench.cloudpress.count("orders")
    await bench.work_for(6 * HOUR)
    assert 0 < bench.cloudpress.count("orders") - asked <= 6
    bench.cloudpress.script["orders"] = []
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.late_look_at, order.due_at, order.attention_code) == (None, None, None)


class Shouting(ScriptedCloudPress):
    """Answers a request to order with the order's UUID in capitals, and shows it in small letters."""

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        return await super().order(order_id.lower(), timeout_seconds=timeout_seconds)

    async def place(self, *given: Any, **more: Any) -> Answer[Placed]:
        answer = await super().place(*given, **more)
        return self._answer(answer.value.model_copy(update={"order_id": answer.value.order_id.upper()}))


async def test_its_own_in_other_letters_is_no_double(bench: Bench) -> None:
    cloudpress = bench.use(Shouting(bench.clock))
    cloudpress.script["place"] = [None, LOST]
    order_id = await sent_twice(bench)
    held = (await bench.read(order_id)).cloudpress_order_id
    assert held is not None
    assert held.isupper()
    cloudpress.end(held.lower(), "OK")
    await bench.work_for(8 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.suspected_duplicates) == ("completed", None)
    assert (order.late_look_at, order.due_at) == (None, None)
