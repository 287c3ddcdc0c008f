"""A callback for an order that ended as never bought is told to a person, until he dismisses it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError, request_resolution
from app.orders.shown import Shown
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back

MINUTE = timedelta(minutes=1)
ROSA = Actor("Rosa")
WITHOUT_TASK = b'{"timestamp": 1795521600, "success": true, "data": []}'
CALLED_BACK = "placement_called_back"


async def given_up(bench: Bench) -> UUID:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    bench.set(may_place_again=False)
    await bench.work_for(2 * GRACE_SECONDS)
    await request_resolution(bench.db, order_id, action="fail", cloudpress_order_id=None, by=ROSA)
    return order_id


async def refused(bench: Bench) -> UUID:
    bench.cloudpress.script["answer"] = [None, Refused(422, ("no",), is_own_form=True)]
    return await bench.order_among_others()


async def cancelled_before_it_was_sent(bench: Bench) -> UUID:
    """As it is after a backup was restored: CloudPress has it, and nothing here knows of that."""
    order_id = await bench.order()
    await request_cancel(bench.db, order_id, by=ROSA)
    return order_id


async def doubled_late(bench: Bench) -> tuple[UUID, str]:
    """An order that was sent a second time and is completed; what was sent first has landed since."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    held = (await bench.read(order_id)).cloudpress_order_id
    assert held is not None, "it was placed again"
    bench.cloudpress.end(held, "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    return order_id, bench.cloudpress.land("Shop")


async def dismissed_with(bench: Bench, body: bytes) -> UUID:
    """An order that was given up; a callback with this body, and one without a task, are dismissed."""
    order_id = await given_up(bench)
    await bench.work_for(HOUR)
    await record_callback(bench.db, order_id, body)
    assert await called_back(bench, order_id) == CALLED_BACK
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=Shown((), 2))
    return order_id


ENDS = [given_up, refused, cancelled_before_it_was_sent]


async def called_back(bench: Bench, order_id: UUID, body: bytes = WITHOUT_TASK) -> str | None:
    await record_callback(bench.db, order_id, body)
    await bench.work_for(HOUR)
    return (await bench.read(order_id)).attention_code


@pytest.mark.parametrize("end", ENDS)
async def test_a_callback_that_names_no_task_is_told(
    bench: Bench, end: Callable[[Bench], Awaitable[UUID]]
) -> None:
    order_id = await end(bench)
    await bench.work_for(HOUR)
    ended = await bench.read(order_id)
    assert (ended.status in {"failed", "cancelled"}, ended.attention_code) == (True, None)
    assert await called_back(bench, order_id) == CALLED_BACK
    order = await bench.read(order_id)
    assert order.status == ended.status
    assert "dismiss duplicates" in (order.attention_detail or "")


async def test_a_callback_whose_task_is_never_shown_is_told_after_a_day(bench: Bench) -> None:
    order_id = await given_up(bench)
    assert await called_back(bench, order_id, b'{"task": {"id": 404}}') is None
    await bench.skim(DAY + HOUR)
    assert (await bench.read(order_id)).attention_code == CALLED_BACK


async def test_a_callback_whose_order_tells_another_name_is_suspected(bench: Bench) -> None:
    order_id = await given_up(bench)
    strangers = bench.cloudpress.land("Not its name")
    assert await called_back(bench, order_id, b'{"task": {"id": 4}}') == "suspected_duplicate"
    assert (await bench.read(order_id)).suspected_duplicates == [strangers]


async def test_a_callback_whose_task_is_of_anothers_order_is_told(bench: Bench) -> None:
    order_id = await given_up(bench)
    assert await called_back(bench, order_id, b'{"task": {"id": 3}}') == CALLED_BACK
    assert (await bench.read(order_id)).suspected_duplicates is None


@pytest.mark.parametrize("end", ENDS)
async def test_one_that_names_no_task_is_told_though_anothers_task_cannot_be_read(
    bench: Bench, end: Callable[[Bench], Awaitable[UUID]]
) -> None:
    """That needs no request, and no trouble with CloudPress hides it."""
    order_id = await end(bench)
    await bench.work_for(6 * HOUR)
    bench.cloudpress.script["task 9"] = [Refused(500)] * 1000
    await record_callback(bench.db, order_id, b'{"task": {"id": 9}}')
    assert await called_back(bench, order_id) == CALLED_BACK


async def test_one_that_leads_nowhere_is_told_though_anothers_task_cannot_be_read(bench: Bench) -> None:
    order_id = await given_up(bench)
    await bench.work_for(HOUR)
    bench.cloudpress.script["task 9"] = [Refused(500)] * 1000
    await record_callback(bench.db, order_id, b'{"task": {"id": 3}}')
    assert await called_back(bench, order_id, b'{"task": {"id": 9}}') == CALLED_BACK


async def test_a_late_double_is_told_though_the_task_of_a_callback_cannot_be_read(bench: Bench) -> None:
    order_id, second = await doubled_late(bench)
    bench.cloudpress.script["task 9"] = [Refused(500)] * 1000
    await called_back(bench, order_id, b'{"task": {"id": 9}}')
    await bench.work_for(5 * HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [second]


async def test_what_is_told_stays_while_cloudpress_fails_and_with_further_callbacks(bench: Bench) -> None:
    order_id = await refused(bench)
    assert await called_back(bench, order_id) == CALLED_BACK
    bench.cloudpress.script["task 9"] = [Refused(500)] * 100
    assert await called_back(bench, order_id, b'{"task": {"id": 9}}') == CALLED_BACK


async def test_what_is_told_outlives_a_duplicate_that_ends(bench: Bench) -> None:
    """The first callback leads to another's order, the second to one that nobody holds."""
    order_id = await given_up(bench)
    assert await called_back(bench, order_id, b'{"task": {"id": 3}}') == CALLED_BACK
    bench.cloudpress.land("Not its name")
    assert await called_back(bench, order_id, b'{"task": {"id": 4}}') == "suspected_duplicate"
    bench.cloudpress.end("cp-4", "CANCELLED")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.suspected_duplicates is None
    assert order.attention_code == CALLED_BACK


async def test_what_is_told_outlives_a_defect_of_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task of its callback is another order's; a pass that breaks, and one that does not, come after."""
    order_id = await given_up(bench)
    assert await called_back(bench, order_id, b'{"task": {"id": 3}}') == CALLED_BACK
    with monkeypatch.context() as broken:
        broken.setattr("app.reconciler.loop.run_pass", _break)
        await record_callback(bench.db, order_id, b'{"task": {"id": 1}}')
        await bench.work()
    assert (await bench.read(order_id)).attention_code == "pass_broken"
    del bench.cloudpress.tasks[1]
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == CALLED_BACK


async def _break(_this: object) -> None:
    raise ZeroDivisionError


async def test_what_was_looked_into_before_the_end_is_told_after_it(bench: Bench) -> None:
    """He gives it up by what its attention told before the callback came, which leads to another's order."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    bench.set(may_place_again=False)
    bench.cloudpress.land("A stranger's")
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_suspected"
    bench.clock.time += MINUTE
    await record_callback(bench.db, order_id, b'{"task": {"id": 3}}')
    await request_resolution(bench.db, order_id, action="fail", cloudpress_order_id=None, by=ROSA)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", CALLED_BACK)


async def test_what_was_looked_into_before_a_person_was_asked_is_told_after_the_end(bench: Bench) -> None:
    """Its callback leads to another's order; he gives it up within the grace, when nothing was told yet."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    await record_callback(bench.db, order_id, b'{"task": {"id": 3}}')
    await bench.work_for(60)
    assert bench.cloudpress.count("task 3"), "it was looked into"
    assert (await bench.read(order_id)).attention_code is None
    await request_resolution(bench.db, order_id, action="fail", cloudpress_order_id=None, by=ROSA)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", CALLED_BACK)


async def test_who_has_seen_to_it_dismisses_it_and_a_further_callback_asks_anew(bench: Bench) -> None:
    order_id = await given_up(bench)
    assert await called_back(bench, order_id) == CALLED_BACK
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=Shown((), 1))
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code is None
    with pytest.raises(NotResolvableError):
        await dismiss_duplicates(bench.db, order_id, by=ROSA)
    assert await called_back(bench, order_id, b"{}") == CALLED_BACK


async def test_what_who_gives_an_order_up_knows_of_is_not_asked_again(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    assert await called_back(bench, order_id) == CALLED_BACK
    await request_resolution(bench.db, order_id, action="fail", cloudpress_order_id=None, by=ROSA)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", None)


async def test_what_he_dismissed_with_it_is_not_asked_a_day_later(bench: Bench) -> None:
    order_id = await dismissed_with(bench, b'{"task": {"id": 404}}')
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.attention_code, order.due_at) == (None, None)


async def test_what_he_knew_when_he_gave_it_up_is_not_asked_a_day_later(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    assert await called_back(bench, order_id, b'{"task": {"id": 404}}') == CALLED_BACK
    await request_resolution(
        bench.db, order_id, action="fail", cloudpress_order_id=None, by=ROSA, shown=Shown((), 1)
    )
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code is None


async def test_what_he_dismissed_is_suspected_once_its_task_leads_to_an_order(bench: Bench) -> None:
    order_id = await dismissed_with(bench, b'{"task": {"id": 4}}')
    await bench.work_for(HOUR)
    shown_late = bench.cloudpress.land("Shop")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [shown_late]


async def test_what_he_did_not_know_of_is_asked(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    bench.set(may_place_again=False)
    await bench.work_for(2 * GRACE_SECONDS)
    bench.clock.time += MINUTE
    await record_callback(bench.db, order_id, WITHOUT_TASK)
    await request_resolution(bench.db, order_id, action="fail", cloudpress_order_id=None, by=ROSA)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", CALLED_BACK)


@pytest.mark.parametrize("is_gone", [True, False])
async def test_what_was_gone_for_minutes_and_is_built_is_told(bench: Bench, *, is_gone: bool) -> None:
    """CloudPress agreed to cancel, shows the order no more for ten minutes, and calls back with its site."""
    order_id = await bench.order()
    await bench.work()
    cloudpress = bench.cloudpress
    cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=ROSA)
    await bench.work()
    if is_gone:
        cloudpress.script["order cp-1"] = [NotFound(404)] * 1000
        cloudpress.script["task 1"] = [NotFound(404)] * 1000
    await bench.work_for(HOUR)
    cloudpress.script.clear()
    cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 1)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "completed" or order.attention_code, (order.status, order.attention_code)
