"""One callback's task that is never shown hides neither the list nor a double, and no word waits for it."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, OrderDetails, Refused, Task
from app.events.timeline import Actor
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_resolvable import MANY
from tests.reconciler.test_unseen_news import told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


@pytest.mark.parametrize("failure", [Refused(500), LOST], ids=["500", "lost"])
async def test_a_task_that_hangs_does_not_keep_the_list_from_being_read(
    bench: Bench, failure: Exception
) -> None:
    """The list shows the order whole."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.script["task 2"] = [failure] * MANY
    await call_back(bench, order_id, 2)
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)


async def sent_twice(bench: Bench) -> tuple[UUID, str]:
    """Have CloudPress have an order twice; return it and what it holds. The other one, `cp-2`, shows now."""
    bench.cloudpress.script["answer"] = [None, LOST]
    hidden = {"cp-2"}
    bench.cloudpress.hides = lambda it: it in hidden
    order_id = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place Shop") == 2
    hidden.clear()
    return order_id, (await bench.read(order_id)).cloudpress_order_id or ""


@pytest.mark.parametrize("failure", [Refused(500), LOST], ids=["500", "lost"])
async def test_a_task_that_hangs_does_not_hide_a_double(bench: Bench, failure: Exception) -> None:
    """CloudPress has the order twice, which the late look shows."""
    order_id, held = await sent_twice(bench)
    bench.cloudpress.tell(held, payment_url="https://pay.example/1")  # so that it is not final for days
    bench.cloudpress.script["task 9"] = [failure] * MANY
    await call_back(bench, order_id, 9)
    await bench.skim(4 * DAY)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == ["cp-2"], await told(bench, order_id)


@pytest.mark.parametrize(
    "failure",
    [NotFound(404), Refused(500), Refused(403, ("no",), is_own_form=True), LOST],
    ids=["404", "500", "403", "lost"],
)
async def test_a_word_to_place_again_ends_where_an_overruled_callbacks_task_cannot_be_read(
    bench: Bench, failure: Exception
) -> None:
    """He knows of the callback, and has it placed again all the same."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.script["task 9"] = [failure] * MANY
    await call_back(bench, order_id, 9)
    await bench.work_for(2 * HOUR)
    await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    await bench.skim(10 * DAY)
    order = await bench.read(order_id)
    is_done = bench.cloudpress.count("place Shop") == 2
    assert is_done or order.resolution is None, await told(bench, order_id)


async def test_the_tasks_of_all_callbacks_are_asked_about_in_one_pass(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    for number in (8, 9):
        bench.cloudpress.script[f"task {number}"] = [Refused(500)]
        await call_back(bench, order_id, number)
    await bench.work()
    assert [bench.cloudpress.count(f"task {number}") for number in (8, 9)] == [1, 1]


def hang(bench: Bench, tasks: set[int]) -> None:
    """Have CloudPress never answer about those tasks; all else is answered at once."""
    plain = bench.cloudpress.task

    async def task(task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        if task_id in tasks:
            bench.cloudpress.asked.append("hung")
            bench.clock.time += timedelta(seconds=min(15.0, max(timeout_seconds or 15.0, 0.0)))
            raise LOST
        return await plain(task_id, timeout_seconds=timeout_seconds)

    bench.cloudpress.task = task  # type: ignore[method-assign]
    order = bench.cloudpress.order

    async def shown(order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Answer within a tenth of a second, which is not nothing."""
        bench.clock.time += timedelta(seconds=0.1)
        if timeout_seconds is not None and timeout_seconds < 0.1:
            raise LOST
        return await order(order_id, timeout_seconds=timeout_seconds)

    bench.cloudpress.order = shown  # type: ignore[method-assign]


@pytest.mark.parametrize(("tasks", "lease"), [({90}, 60), ({90, 91}, 60), ({90, 91, 92}, 60), ({90}, 30)])
async def test_an_order_is_looked_at_beside_those_that_hang(
    bench: Bench, tasks: set[int], lease: int
) -> None:
    """The order is looked at, whatever of a pass they take."""
    bench.set(lease_seconds=lease)
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    hang(bench, tasks)
    for task_id in tasks:
        await call_back(bench, rosa, task_id)
    for _ in range(400):
        bench.clock.time += timedelta(seconds=400)
        await bench.work()
    order = await bench.read(rosa)
    assert order.status == "completed", (await told(bench, rosa), order.failures)
