"""Words that wait, and what time does to them."""

from datetime import timedelta

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from tests.reconciler.scripted import DAY, HOUR, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_given_up import refused_and_to_fail
from tests.reconciler.test_resolvable import MANY
from tests.reconciler.test_unseen_news import suspected, told

BY = Actor("operator")


@pytest.mark.parametrize("way", ["down", "stepped"])
async def test_two_failed_looks_fail_nothing_where_no_worker_ran_between_them_or_a_clock_stepped(
    bench: Bench, way: str
) -> None:
    """Two looks are no day of them; CloudPress has finished the order."""
    order_id = await refused_and_to_fail(bench)
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-1", "OK")
    bench.cloudpress.script["order"] = [Refused(502), Refused(502)]
    await bench.work()
    assert (await bench.read(order_id)).resolution is not None
    if way == "down":
        bench.clock.time += timedelta(days=2)
    else:
        bench.clock.step(2 * DAY)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "completed", (order.status, order.error_code)


async def test_one_404_after_an_outage_ends_no_word_to_adopt(bench: Bench) -> None:
    """The ten minutes count from the first 404."""
    bench.set(may_place_again=False)
    order_id = await suspected(bench)
    bench.cloudpress.script["order"] = [Refused(500)] * MANY
    await adopt(bench, order_id, "cp-2")
    await bench.work_for(HOUR / 2)
    assert (await bench.read(order_id)).resolution is not None
    bench.cloudpress.script["order"] = [NotFound(404)]
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)


@pytest.mark.parametrize("failure", [None, Refused(500), Refused(401), Refused(403)], ids=str)
async def test_word_about_a_missing_site_and_one_refusal(bench: Bench, failure: Exception | None) -> None:
    """He was asked about a missing site, which is there by then: what refuses one look fails nothing."""
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    bench.cloudpress.script["site"] = [NotFound(404)] * 5000
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).attention_code in {"not_found", "site_missing"}, await told(bench, rosa)
    bench.cloudpress.script.clear()
    await bench.say(rosa, "fail", by=BY)
    if failure is not None:
        bench.cloudpress.script["order"] = [failure]
    await bench.work_for(2 * HOUR)
    assert (await bench.read(rosa)).status == "completed", await told(bench, rosa)


async def test_word_about_a_refusal_is_not_done_for_a_silence_that_has_come_to_last_a_day(
    bench: Bench,
) -> None:
    """CloudPress refused once, and fails since; he speaks within the day, and it has finished the order."""
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.script["order"] = [Refused(401), *[Refused(500)] * MANY]
    await bench.skim(20 * HOUR)
    assert (await bench.read(rosa)).attention_code == "credentials_refused", await told(bench, rosa)
    await bench.say(rosa, "fail", by=BY)
    await bench.skim(8 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("provisioning", "unanswered"), await told(bench, rosa)
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(2 * HOUR)
    assert (await bench.read(rosa)).status == "completed", await told(bench, rosa)
