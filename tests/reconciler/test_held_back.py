"""What holds an order back: nothing is concluded meanwhile, and CloudPress is left alone if it asks so."""

import pytest

from app.cloudpress import NotFound, Refused, TaskRef
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_cancelled_in_the_midst import while_looking_at
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("at", ["before", "midst"])
async def test_no_callback_in_the_midst_shortens_a_retry_after(bench: Bench, at: str) -> None:
    order_id = await bench.order()
    await bench.work()
    cloudpress = bench.cloudpress
    cloudpress.script["task 1"] = [Refused(429, (), 600.0)]

    async def come() -> None:
        await call_back(bench, order_id, 77)

    if at == "midst":
        while_looking_at(bench, "cp-1", come)
    bench.clock.time = (await bench.read(order_id)).due_at or bench.clock.time
    await bench.work()
    assert cloudpress.asked[-1] == "task 1"
    asked = len(cloudpress.asked)
    if at == "before":
        await come()
    await bench.work_for(500)
    assert cloudpress.asked[asked:] == [], await told(bench, order_id)


async def test_no_task_that_is_not_shown_shortens_a_retry_after(bench: Bench) -> None:
    """Its own callback's task is not shown (404), and the next one is answered with 429 and `Retry-After`."""
    order_id = await bench.order()
    await bench.work()
    cloudpress = bench.cloudpress
    cloudpress.tell("cp-1", tasks=(TaskRef(id=1, status="RUNNING"), TaskRef(id=2, status="RUNNING")))
    cloudpress.script["task 1"] = [NotFound(404)] * 20
    cloudpress.script["task 2"] = [Refused(429, (), 600.0)] * 20
    await call_back(bench, order_id, 1)
    await bench.work()
    assert cloudpress.asked[-1] == "task 2"
    asked = len(cloudpress.asked)
    await bench.work_for(500)
    assert cloudpress.asked[asked:] == [], await told(bench, order_id)


@pytest.mark.parametrize("path", ["adopt", "observe"])
async def test_a_task_in_two_lists(bench: Bench, path: str) -> None:
    """Rosa's own task 2 is listed by Ben's cp-3 as well, and is not shown (404) for a moment."""
    cloudpress = bench.cloudpress
    if path == "observe":
        rosa, _ben = await mixed_up(bench)
    else:
        await bench.complete_one_before()
        cloudpress.script["answer"] = [LOST, None]
        rosa = await bench.order("Rosa")
        await bench.work()
        await bench.order("Other")  # cp-3 is somebody's whom nobody here knows
        cloudpress.land("Ben")
        cloudpress.hides = lambda _it: True
        assert (await bench.read(rosa)).status == "unconfirmed"
    cloudpress.end("cp-2", "OK")
    cloudpress.end("cp-3", "OK")
    listed = (TaskRef(id=2, status="OK"), TaskRef(id=3, status="OK"))
    cloudpress.tell("cp-3", tasks=listed)
    cloudpress.script["task 2"] = [NotFound(404)] * 3
    await call_back(bench, rosa, 2)
    if path == "adopt":
        await answered_late(bench, rosa, "cp-3")
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)
