"""The own callback refutes what only an answer's task named; what else was found of it stays told."""

from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, Placed, SiteRef, TaskRef
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answered_with_the_own_task import answered_with_hers
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_foreign_links import change_task
from tests.reconciler.test_mixed_up_answers import call_back

LATE = 6 * HOUR


async def bought_twice(bench: Bench) -> UUID:
    """Have an order be placed twice: its second, cp-4, is answered with the task of its first, cp-2."""
    cloudpress = bench.cloudpress
    cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    cloudpress.hides = lambda it: it == "cp-2"
    await bench.work_for(600)
    plain = cloudpress.place

    async def place(*given: Any, **more: Any) -> Answer[Placed]:
        placed = await plain(*given, **more)
        task = TaskRef(id=2, status="RUNNING")
        return Answer(Placed(order_id=placed.value.order_id, task=task), b"{}", cloudpress.now)

    cloudpress.place = place  # type: ignore[method-assign]
    await bench.work_for(2 * HOUR)
    assert cloudpress.count("place Shop") == 2
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-4"
    cloudpress.end("cp-4", "OK")
    cloudpress.tell("cp-4", site=None)  # which is to be linked yet
    change_task(bench, 4, site_ids=())
    return order_id


async def told(bench: Bench, order_id: UUID) -> tuple[Any, ...]:
    order = await bench.read(order_id)
    return order.suspected_duplicates, order.attention_code


TWICE = ["cp-2"], "suspected_duplicate"


@pytest.mark.parametrize("is_late", [False, True], ids=["before the late look", "after it"])
async def test_a_double_that_a_late_look_finds_stays_told(bench: Bench, *, is_late: bool) -> None:
    """Its own callback comes before the late look, or after it, which has passed over what was told."""
    order_id = await bought_twice(bench)
    bench.cloudpress.hides = lambda _it: False
    assert await told(bench, order_id) == TWICE
    await bench.work_for(LATE if is_late else 0)
    await call_back(bench, order_id, 4)
    await bench.work_for(LATE)
    assert await told(bench, order_id) == TWICE
    bench.cloudpress.tell("cp-4", site=SiteRef(id="site-4", name="Shop"))
    change_task(bench, 4, site_ids=("site-4",))
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    assert await told(bench, order_id) == TWICE
    assert "mixed up" not in ((await bench.read(order_id)).attention_detail or "")
    named = [it.data.get("by") for it in await bench.events(order_id, "order.duplicate_suspected")]
    assert named == ["task", None], "what the look-up has found is not found again and again"


async def test_a_double_that_was_found_before_the_task_could_be_read_stays_told(bench: Bench) -> None:
    order_id = await bought_twice(bench)
    await call_back(bench, order_id, 4)
    await bench.work_for(HOUR)
    assert await told(bench, order_id) == (None, None), "nothing but the task has named it"
    bench.cloudpress.hides = lambda _it: False
    await bench.work_for(LATE)
    await bench.work_for(LATE)
    assert await told(bench, order_id) == TWICE


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "after it was told"])
async def test_a_double_that_a_callback_has_named_stays_told(bench: Bench, *, is_first: bool) -> None:
    """A callback of another task of cp-3 is let in for him, and then the one of what he holds."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))

    bench.cloudpress.tasks[30] = bench.cloudpress.tasks[3].model_copy(update={"id": 30})
    await bench.work_for(0 if is_first else 300)
    await call_back(bench, ben, 30)
    await bench.work_for(300)
    await call_back(bench, ben, 2)
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert order.suspected_duplicates == ["cp-3"], await both(bench, rosa, ben)


async def test_what_nothing_but_the_task_has_named_is_told_no_more(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    await bench.work_for(300)
    assert await told(bench, ben) == (["cp-3"], "suspected_duplicate")
    await call_back(bench, ben, 99)  # which leads nowhere
    await bench.work_for(1000)
    await call_back(bench, ben, 2)
    await bench.work_for(10 * HOUR)
    assert await told(bench, ben) == (None, None), await both(bench, rosa, ben)
