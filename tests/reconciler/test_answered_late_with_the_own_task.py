"""An answer that comes when the lease is lost names another's order, and the own task: as one in time."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, Placed, TaskRef
from app.db.models import Order
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back

GONE = NotFound(404, ("not found",), is_own_form=True)


async def answered_late_with_hers(bench: Bench, task_id: int, *, passes: int = 1) -> tuple[UUID, UUID]:
    """Have Rosa's answer be lost, and Ben's, whose order is cp-3, name her cp-2 and a task.

    It comes when another replica has found that he was cut off, and has made some passes over his order.
    """
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["answer"] = [LOST]
    rosa = await bench.order("Rosa")
    await bench.work()
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).due_at = tx.now + timedelta(hours=3)
    plain = cloudpress.place

    async def place(*given: Any, **more: Any) -> Answer[Placed]:
        assert (await plain(*given, **more)).value.order_id == "cp-3"
        for _ in range(passes):
            bench.clock.time += timedelta(seconds=100)
            await bench.work()
        named = TaskRef(id=task_id, status="RUNNING")
        return Answer(Placed(order_id="cp-2", task=named), b"{}", cloudpress.now)

    cloudpress.place = place  # type: ignore[method-assign]
    ben = await bench.order("Ben")
    await bench.work()
    cloudpress.place = plain  # type: ignore[method-assign]
    return rosa, ben


async def assert_is_asked(bench: Bench, rosa: UUID, ben: UUID) -> None:
    told = await both(bench, rosa, ben)
    order = await bench.read(ben)
    assert await bench.known_site(ben) is None, told
    assert (order.cloudpress_order_id, order.attention_code) == ("cp-2", "suspected_duplicate"), told
    assert "mixed up" in (order.attention_detail or ""), told


@pytest.mark.parametrize("status", ["RUNNING", "OK", "FAILED"])
async def test_a_late_answers_task_says_whose_it_is(bench: Bench, status: str) -> None:
    rosa, ben = await answered_late_with_hers(bench, 3)
    assert (await bench.read(ben)).status == "unconfirmed"
    assert await bench.known_tasks(ben) == []
    bench.cloudpress.end("cp-2", status)
    await bench.work_for(2 * HOUR)
    await assert_is_asked(bench, rosa, ben)
    assert (await bench.read(ben)).finalized_at is None


async def test_so_does_that_of_an_answer_that_replaces_what_was_found_by_its_name(bench: Bench) -> None:
    """Meanwhile a look-up has found him another's order, which looks like his."""
    bench.cloudpress.hides = lambda it: it in {"cp-2", "cp-3"}
    made: list[str] = []
    plain = bench.cloudpress.orders

    async def orders(*asked: Any, **more: Any) -> Any:
        if not made and "cp-3" in bench.cloudpress.orders_made:
            made.append(bench.cloudpress.land("Ben", status="RUNNING"))
        return await plain(*asked, **more)

    bench.cloudpress.orders = orders  # type: ignore[method-assign]
    rosa, ben = await answered_late_with_hers(bench, 3, passes=4)
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    await assert_is_asked(bench, rosa, ben)
    told = [it.data["cloudpress_order_id"] for it in await bench.events(ben, "order.identified")]
    assert told == ["cp-4", "cp-2"]


async def test_so_does_that_of_an_answer_that_names_what_is_held_already(bench: Bench) -> None:
    """Her order looks like his, and a look-up has found it for him."""
    bench.cloudpress.tidies = lambda name: "Ben" if name == "Rosa" else name
    bench.cloudpress.hides = lambda it: it == "cp-3"
    rosa, ben = await answered_late_with_hers(bench, 3, passes=3)
    assert [it.data["by"] for it in await bench.events(ben, "order.identified")] == ["lookup"]
    assert await bench.known_tasks(ben) == [2, 3]
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    await assert_is_asked(bench, rosa, ben)


async def test_the_own_callback_says_more_than_that(bench: Bench) -> None:
    _rosa, ben = await answered_late_with_hers(bench, 3)
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, ben, 2)
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("completed", None)


@pytest.mark.parametrize("is_listed", [True, False])
async def test_a_late_answer_with_the_task_of_what_it_names_counts(bench: Bench, *, is_listed: bool) -> None:
    rosa, ben = await answered_late_with_hers(bench, 2)
    bench.cloudpress.end("cp-2", "OK")
    if not is_listed:
        bench.cloudpress.tell("cp-2", tasks=())
    await bench.work_for(600)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)


@EVERY_LOOK
async def test_a_task_that_is_not_shown_is_kept_for_its_callback(bench: Bench) -> None:
    rosa, ben = await answered_late_with_hers(bench, 3)
    bench.cloudpress.script["task 3"] = [GONE] * 10
    bench.cloudpress.tell("cp-2", status="processing")
    await bench.work_for(60)
    assert await bench.known_tasks(ben) == [2, 3]
    await bench.work_for(2 * HOUR)
    await assert_is_asked(bench, rosa, ben)
