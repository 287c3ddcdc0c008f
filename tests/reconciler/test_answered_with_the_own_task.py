"""An answer names another's order, and the own task: that says whose it is, as a callback does."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, Placed, Refused, TaskRef
from app.db.models import Order, Placement, Task
from app.events.timeline import Actor
from app.orders.claims import is_called_back_for_another
from app.orders.requests import request_cancel
from app.states import OrderStatus
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_foreign_links import change_task
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
GONE = NotFound(404, ("not found",), is_own_form=True)


async def is_own(bench: Bench, order_id: UUID, task_id: int) -> bool | None:
    async with bench.db.read() as session:
        task: Task = await session.get_one(Task, (order_id, task_id))
        return task.is_own


OWN = pytest.mark.parametrize("task_id", [2, 3], ids=["her task", "his task"])


async def answered_with_hers(
    bench: Bench,
    task_id: int,
    *,
    names: tuple[str, str] = ("Shop", "Shop"),
    task: dict[str, Any] | None = None,
) -> tuple[UUID, UUID]:
    """Have Rosa's answer be lost, and Ben, whose order is `cp-3`, be answered with her `cp-2` and a task.

    His own is shown otherwise, if it is said how.
    """
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["answer"] = [LOST]
    rosa = await bench.order(names[0])
    await bench.work()
    plain = cloudpress.place

    async def place(*given: Any, **more: Any) -> Answer[Placed]:
        assert (await plain(*given, **more)).value.order_id == "cp-3"
        change_task(bench, 3, **(task or {}))
        named = TaskRef(id=task_id, status="RUNNING")
        return Answer(Placed(order_id="cp-2", task=named), b"{}", cloudpress.now)

    cloudpress.place = place  # type: ignore[method-assign]
    bench.clock.time += timedelta(seconds=2)
    ben = await bench.order(names[1])
    await bench.work()
    cloudpress.place = plain  # type: ignore[method-assign]
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2", await both(bench, rosa, ben)
    assert (await bench.read(rosa)).cloudpress_order_id is None
    return rosa, ben


@OWN
@pytest.mark.parametrize("is_early", [True, False])
async def test_what_his_callback_leads_to_is_not_taken_by_her_name(
    bench: Bench, task_id: int, *, is_early: bool
) -> None:
    rosa, ben = await answered_with_hers(bench, task_id)
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(0 if is_early else 20)
    await call_back(bench, ben, 3)
    await bench.work_for(2 * HOUR)
    assert await bench.known_site(rosa) != "site-3", await both(bench, rosa, ben)
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"


@pytest.mark.parametrize("is_listed", [True, False])
async def test_a_task_that_named_no_order_when_it_was_read_is_not_the_own_one_for_ever(
    bench: Bench, *, is_listed: bool
) -> None:
    rosa, ben = await answered_with_hers(bench, 3, task={"order_ids": (), "site_ids": ()})
    hers = bench.cloudpress.orders_made["cp-2"].tasks
    if is_listed:
        bench.cloudpress.tell("cp-2", tasks=(*hers, TaskRef(id=3, status="RUNNING")))
    async with bench.db.write() as tx:
        for order_id, seconds in ((ben, 0), (rosa, 30)):
            order = await tx.session.get_one(Order, order_id)
            order.due_at = tx.now + timedelta(seconds=seconds)
    await bench.work_for(1)
    assert await is_own(bench, ben, 3) is (True if is_listed else None)
    bench.cloudpress.tell("cp-2", tasks=hers)
    change_task(bench, 3, order_ids=("cp-3",), site_ids=("site-3",))
    bench.cloudpress.end("cp-3", "OK")
    await call_back(bench, ben, 3)
    await bench.work_for(2 * HOUR)
    assert await bench.known_site(rosa) != "site-3", await both(bench, rosa, ben)
    assert await is_own(bench, ben, 3) is (False if is_listed else None)
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"


async def test_a_task_that_an_answer_named_claims_what_has_it_until_it_is_read_as_the_own_one(
    bench: Bench,
) -> None:
    rosa, ben = await answered_with_hers(bench, 3)
    await call_back(bench, ben, 3)
    claims = []
    for read, is_read_as_own in ((None, None), (b"{}", None), (b"{}", True)):
        async with bench.db.write() as tx:
            task = await tx.session.get_one(Task, (ben, 3))
            task.answer, task.is_own = read, is_read_as_own
        async with bench.db.read() as session:
            hers = await session.get_one(Order, rosa)
            claims.append(await is_called_back_for_another(session, hers, "cp-3", [3]))
    assert claims == [True, True, False]


@OWN
@pytest.mark.parametrize("is_failed", [True, False])
async def test_what_his_callback_disowns_does_not_explain_hers(
    bench: Bench, task_id: int, *, is_failed: bool
) -> None:
    """A person says that cp-3, which is Ben's, is not Rosa's: cp-2, which he holds, may still be."""
    rosa, ben = await answered_with_hers(bench, task_id, names=("Rosa", "Ben"))
    await call_back(bench, ben, 3)
    await bench.work_for(300)
    await bench.complete_one_after()
    if is_failed:
        await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
        await bench.work_for(HOUR)
        assert (await bench.read(ben)).status == OrderStatus.FAILED
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.work_for(6 * HOUR)
    assert bench.cloudpress.count("place Rosa") == 1, await both(bench, rosa, ben)


@OWN
async def test_the_payment_page_of_what_his_callback_disowns_is_not_shown(bench: Bench, task_id: int) -> None:
    _rosa, ben = await answered_with_hers(bench, task_id, names=("Rosa", "Ben"))
    bench.cloudpress.tell("cp-2", payment_url="https://pay.test/rosas", status="awaiting_payment")
    await bench.work_for(5)
    bench.cloudpress.end("cp-3", "CANCELLED")
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert order.attention_code == "suspected_duplicate"
    assert order.payment_url is None


async def test_where_nothing_calls_back_the_task_says_it_alone(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench, own_task=True)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(6 * HOUR)
    for order_id in (rosa, ben):
        assert await bench.known_site(order_id) is None, await both(bench, rosa, ben)
        assert "mixed up" in ((await bench.read(order_id)).attention_detail or "")


async def test_what_was_asked_stands_while_the_task_cannot_be_read_also_of_one_that_was_sent_twice(
    bench: Bench,
) -> None:
    _rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    async with bench.db.write() as tx:
        again = Placement(order_id=ben, attempt=2, sent_at=tx.now, outcome="unknown", callback_key_id="key")
        tx.session.add(again)
    await call_back(bench, ben, 3)
    await bench.work_for(300)
    bench.cloudpress.script["task 3"] = [Refused(500)] * 100
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert "mixed up" in (order.attention_detail or ""), await both(bench, _rosa, ben)
    assert order.status == OrderStatus.PROVISIONING


async def test_an_operator_who_finds_it_right_has_the_order_go_on(bench: Bench) -> None:
    """He has said that what his task names is not his, so it is not told again."""
    _rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    await call_back(bench, ben, 3)
    await bench.work_for(300)
    bench.cloudpress.end("cp-2", "OK")
    await bench.say(ben, "dismiss_duplicates", by=BY, shown=await look(bench, ben))
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, _rosa, ben)


async def test_the_own_callback_says_more_than_a_task_that_the_answer_named(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(300)
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"
    await call_back(bench, ben, 2)
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)


async def test_it_says_no_more_than_a_task_that_called_back_itself(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, ben, 2)
    await call_back(bench, ben, 3)
    await bench.work_for(2 * HOUR)
    assert await bench.known_site(ben) is None, await both(bench, rosa, ben)
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"


@pytest.mark.parametrize("looks", [1, 2, 10_000])
async def test_hers_is_not_cancelled_for_him_while_it_is_not_shown(bench: Bench, looks: int) -> None:
    """A replica lags: his task, which names another one, is read all the same."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.script["order cp-2"] = [GONE] * looks
    await request_cancel(bench.db, ben, by=BY)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("cancel") == 0
    assert bench.cloudpress.tasks[2].status == "RUNNING", await both(bench, rosa, ben)
    assert (await bench.read(ben)).status == OrderStatus.PROVISIONING


async def test_nor_is_his_taken_for_cancelled_because_hers_is_gone(bench: Bench) -> None:
    """CloudPress has agreed, while it did not show his task, and shows hers no more."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.heeds_cancelling = False
    bench.cloudpress.script["task 3"] = [GONE, GONE]
    await request_cancel(bench.db, ben, by=BY)
    await bench.work()
    assert (await bench.read(ben)).cancel_accepted_at is not None
    bench.cloudpress.script["order cp-2"] = bench.cloudpress.script["task 2"] = [GONE] * 10_000
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).status == OrderStatus.PROVISIONING, await both(bench, rosa, ben)


async def test_nor_because_it_is_gone_by_the_look_after_the_request(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.heeds_cancelling = False
    bench.cloudpress.script["task 3"] = [GONE]
    bench.cloudpress.script["order cp-2"] = [None, *[GONE] * 10_000]
    bench.cloudpress.script["task 2"] = [None, *[GONE] * 10_000]
    async with bench.db.write() as tx:  # so that nobody but he is shown it
        (await tx.session.get_one(Order, rosa)).due_at = tx.now + timedelta(hours=1)
    await request_cancel(bench.db, ben, by=BY)
    await bench.work()
    order = await bench.read(ben)
    assert (bench.cloudpress.count("cancel"), order.cancel_accepted_at) == (1, None)
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).status == OrderStatus.PROVISIONING, await both(bench, rosa, ben)


async def test_nor_is_hers_handed_out_while_only_her_task_is_shown(bench: Bench) -> None:
    """That one is known as listed with what he has; his own is shown later."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.script["task 3"] = [GONE]
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now
    await bench.work()
    assert await is_own(bench, ben, 2) is True
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.script["order cp-2"] = [GONE] * 10_000
    await bench.work_for(HOUR)
    assert await bench.known_site(ben) is None, await both(bench, rosa, ben)
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"
