"""What says that an order has ended as another's is heard after its end: its callbacks, its answer's task."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import NotFound
from app.db.models import Order, Task
from app.events.timeline import Actor
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import DAY, HOUR, Bench
from tests.reconciler.test_answered_with_the_own_task import answered_with_hers
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
GONE = NotFound(404, ("not found",), is_own_form=True)


async def ended_as_hers(bench: Bench, status: str, *, is_called_back: bool = False) -> tuple[UUID, UUID]:
    """Have Ben's answer name her order and his own task, which is not shown yet: he ends as she does."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.script["task 3"] = [GONE] * 10_000
    bench.cloudpress.end("cp-2", status)
    if is_called_back:
        await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert order.finalized_at is not None, (order.status, order.attention_code)
    assert order.attention_code is None
    return rosa, ben


@pytest.mark.parametrize("status", ["OK", "FAILED", "CANCELLED"])
@pytest.mark.parametrize("is_before", [True, False], ids=["before the end", "after it"])
@EVERY_LOOK
async def test_the_own_callback_is_heard_after_an_end_by_hers(
    bench: Bench, status: str, *, is_before: bool
) -> None:
    """His own callback leads to his order only once the order has ended here, whenever it came."""
    rosa, ben = await ended_as_hers(bench, status, is_called_back=is_before)
    bench.cloudpress.script["task 3"].clear()
    bench.cloudpress.end("cp-3", "OK")
    if not is_before:
        await call_back(bench, ben, 3)
    await bench.work_for(DAY)
    order = await bench.read(ben)
    assert order.attention_code == "suspected_duplicate", (order.status, await both(bench, rosa, ben))
    assert order.suspected_duplicates == ["cp-3"]
    assert "mixed up" in (order.attention_detail or "")
    await bench.say(ben, "dismiss_duplicates", by=BY, shown=await look(bench, ben))
    await bench.work_for(DAY)
    order = await bench.read(ben)
    assert (order.attention_code, order.due_at) == (None, None)


async def test_the_own_callback_is_waited_for_until_it_can_be_read(bench: Bench) -> None:
    rosa, ben = await ended_as_hers(bench, "OK")
    await call_back(bench, ben, 3)
    await bench.work_for(5 * HOUR)
    assert (await bench.read(ben)).attention_code is None
    bench.cloudpress.script["task 3"].clear()
    await bench.work_for(DAY)
    assert (await bench.read(ben)).suspected_duplicates == ["cp-3"], await both(bench, rosa, ben)


async def test_a_callback_for_what_it_has_ended_as_asks_nobody_and_nothing_twice(bench: Bench) -> None:
    await bench.complete_one_before()
    order_id = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    asked = bench.cloudpress.count("task")
    await call_back(bench, order_id, 2)
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.due_at) == ("completed", None, None)
    assert bench.cloudpress.count("task") == asked


async def ended_as_his(bench: Bench) -> tuple[UUID, UUID]:
    """Swap the answers, with the own tasks: Rosa ends as Ben's cp-3, since her task is not shown then."""
    rosa, ben = await mixed_up(bench, own_task=True)
    async with bench.db.write() as tx:
        for order_id, seconds in ((rosa, 10), (ben, 60)):
            (await tx.session.get_one(Order, order_id)).due_at = tx.now + timedelta(seconds=seconds)
    bench.cloudpress.script["task 2"] = [GONE]
    bench.cloudpress.end("cp-3", "OK")
    return rosa, ben


async def test_who_ended_as_what_a_task_says_is_anothers_is_asked_about(bench: Bench) -> None:
    rosa, ben = await ended_as_his(bench)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "completed", await both(bench, rosa, ben)
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"
    await call_back(bench, rosa, 2)
    await call_back(bench, ben, 3)
    await bench.work_for(DAY)
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate", await both(bench, rosa, ben)


@pytest.mark.parametrize("looks", [1, 6], ids=["at once", "later"])
async def test_so_it_is_where_nothing_calls_back(bench: Bench, looks: int) -> None:
    """His answer's task names what she has ended as: so hers, which was never read, is read now."""
    rosa, ben = await ended_as_his(bench)
    bench.cloudpress.script["task 2"] = [GONE] * looks
    await bench.work_for(20)
    assert (await bench.read(rosa)).status == "completed", await both(bench, rosa, ben)
    await bench.work_for(4 * HOUR)
    for order_id, other in ((rosa, "cp-2"), (ben, "cp-3")):
        order = await bench.read(order_id)
        assert order.suspected_duplicates == [other], await both(bench, rosa, ben)
        assert "mixed up" in (order.attention_detail or "")
    bench.accounts.clear()
    await bench.work_for(HOUR)  # nor do the two wake each other for ever
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    bench.accounts.add("acct")
    await bench.work_for(4 * HOUR)
    assert (await bench.read(rosa)).attention_code is None


async def test_whose_own_task_was_read_is_left_alone(bench: Bench) -> None:
    """She was answered with hers, and with her task; his answer's task names the same."""
    await bench.complete_one_before()
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    ben = await bench.order("Ben")
    await bench.work()
    async with bench.db.write() as tx:
        tx.session.add(Task(order_id=ben, id=30, status="RUNNING"))
    bench.cloudpress.tasks[30] = bench.cloudpress.tasks[2].model_copy(update={"id": 30})
    await bench.work_for(HOUR)
    assert "mixed up" in ((await bench.read(ben)).attention_detail or "")
    assert (await bench.read(rosa)).attention_code is None
