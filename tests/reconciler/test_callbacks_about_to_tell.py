"""Nothing is concluded by what may be another's while the order's own callback may be about to say so."""

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_in_the_midst import lost_beside_a_strangers
from tests.reconciler.test_mixed_up_answers import call_back, finish_both_and_call_back, mixed_up
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")
FAILURES = [None, Refused(500), LOST, NotFound(404), Refused(429, (), 60.0)]
IDS = ["none", "500", "lost", "404", "429"]


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
async def test_one_failure_of_a_callbacks_task_has_no_order_complete_as_anothers(
    bench: Bench, failure: Exception | None
) -> None:
    """Rosa's order was answered with Ben's; the one request for her callback's task fails."""
    rosa, _ben = await mixed_up(bench)
    if failure is not None:
        bench.cloudpress.script["task 2"] = [failure]
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
async def test_one_failure_of_a_callbacks_task_cancels_no_other(
    bench: Bench, failure: Exception | None
) -> None:
    """She wants hers cancelled, and it holds his."""
    rosa, _ben = await mixed_up(bench)
    if failure is not None:
        bench.cloudpress.script["task 2"] = [failure]
    await call_back(bench, rosa, 2)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("cancel") == 0, await told(bench, rosa)


@pytest.mark.parametrize("failure", [None, Refused(500), NotFound(404)], ids=["none", "500", "404"])
async def test_one_failure_of_a_callbacks_task_has_no_look_up_take_anothers(
    bench: Bench, failure: Exception | None
) -> None:
    """The list lags, and shows a stranger's of the same name and age."""
    order_id, _strangers = await lost_beside_a_strangers(bench)
    bench.cloudpress.end("cp-2", "OK")
    if failure is not None:
        bench.cloudpress.script["task 2"] = [failure]
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)
    found = await bench.events(order_id, "order.identified")
    assert [event.data["by"] for event in found] == ["callback"]
