"""One failed request at the wrong moment gives nobody another's site."""

from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused, SiteRef
from app.events.timeline import Actor
from app.orders.requests import request_cancel, request_refresh
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_in_the_midst import lost_beside_a_strangers, put_aside
from tests.reconciler.test_mixed_up_answers import call_back, finish_both_and_call_back, mixed_up
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")
FAILURES = [None, Refused(500), LOST, NotFound(404), Refused(429, (), 60.0)]
IDS = ["none", "500", "lost", "404", "429"]


async def untold_beside_a_strangers(bench: Bench) -> tuple[UUID, str, SiteRef]:
    """Have her callback lead to cp-2, whose site is not linked, for hours; a stranger's looks like hers.

    Returns her order, the stranger's at CloudPress, and the site of cp-2.
    """
    order_id, strangers = await lost_beside_a_strangers(bench)
    site = bench.cloudpress.orders_made["cp-2"].site
    assert site is not None
    bench.cloudpress.tell("cp-2", site=None)
    await call_back(bench, order_id, 2)
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id is None
    return order_id, strangers, site


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
async def test_one_failure_after_hours_of_an_untold_name(bench: Bench, failure: Exception | None) -> None:
    """Her callback leads to cp-2, whose site has no name yet; hours later one request for the task fails."""
    cloudpress = bench.cloudpress
    order_id, strangers, site = await untold_beside_a_strangers(bench)
    if failure is not None:
        cloudpress.script["task 2"] = [failure]
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != strangers, (
        await told(bench, order_id),
        await bench.known_site(order_id),
    )
    cloudpress.tell("cp-2", site=site)
    cloudpress.end("cp-2", "OK")
    await bench.work_for(3 * HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)


async def test_failures_now_and_then_are_no_grace(bench: Bench) -> None:
    """The same, where each hour one request for the task fails, and the next one shows it."""
    order_id, strangers, _ = await untold_beside_a_strangers(bench)
    for _ in range(8):
        bench.cloudpress.script["task 2"] = [Refused(500)]
        await request_refresh(bench.db, order_id, by=BY)
        await bench.work_for(HOUR)
        assert not bench.cloudpress.script["task 2"], "it was read since"
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != strangers, await told(bench, order_id)


async def answered_with_anothers_order_and_the_own_task(bench: Bench) -> UUID:
    """Rosa's is cp-2, with task 2; the answer names Ben's cp-3 and her own task."""
    rosa, ben = await mixed_up(bench, own_task=True)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    return rosa


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
async def test_one_failure_of_the_own_task_that_the_answer_named(
    bench: Bench, failure: Exception | None
) -> None:
    """Nothing of Ben's is told to Rosa because her task is not shown once."""
    rosa = await answered_with_anothers_order_and_the_own_task(bench)
    if failure is not None:
        bench.cloudpress.script["task 2"] = [failure]
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)
    assert (await bench.read(rosa)).status == "provisioning", await told(bench, rosa)


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
async def test_one_failure_of_the_own_task_that_the_answer_named_cancels_no_other(
    bench: Bench, failure: Exception | None
) -> None:
    """Rosa wants hers cancelled; Ben's is not."""
    rosa = await answered_with_anothers_order_and_the_own_task(bench)
    await bench.work_for(1)
    if failure is not None:
        bench.cloudpress.script["task 2"] = [failure]
    await call_back(bench, rosa, 2)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("cancel") == 0, await told(bench, rosa)


async def test_what_an_answer_named_is_not_named_by_the_own_callback(bench: Bench) -> None:
    """Her task is read before it counts: beside a callback that leads nowhere it says that cp-2 is hers."""
    rosa = await answered_with_anothers_order_and_the_own_task(bench)
    await call_back(bench, rosa, 90)
    await call_back(bench, rosa, 2)
    await bench.work()
    order = await bench.read(rosa)
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", ["cp-2"])


@pytest.mark.parametrize("stepped", [0, 2 * DAY])
async def test_a_clock_that_steps_ends_no_grace(bench: Bench, stepped: float) -> None:
    """One machine, whose wall clock steps ahead between two looks, a minute after each other."""
    rosa, ben = await mixed_up(bench)
    await put_aside(bench, ben)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    bench.cloudpress.script["task 2"] = [Refused(500)] * 2
    await call_back(bench, rosa, 2)
    await bench.work()
    bench.clock.step(stepped)
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize(
    ("request_for", "failure"),
    [
        ("nothing", NotFound(404)),
        ("task 2", NotFound(404)),
        ("order cp-2", NotFound(404)),
        ("order cp-2", Refused(500)),
        ("site site-2", Refused(500)),
    ],
)
async def test_one_failure_of_anything_after_hours_of_an_untold_name(
    bench: Bench, request_for: str, failure: Exception
) -> None:
    """The same of what the task leads to."""
    order_id, strangers, site = await untold_beside_a_strangers(bench)
    if request_for == "site site-2":
        bench.cloudpress.tell("cp-2", site=site.model_copy(update={"name": None}))
    bench.cloudpress.script[request_for] = [failure]
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != strangers, await told(bench, order_id)
