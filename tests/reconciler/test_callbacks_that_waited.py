"""A callback's task is given up by how long CloudPress did not show it, not by the callback's age."""

from datetime import timedelta

import pytest

from app.cloudpress import NotFound
from tests.reconciler.scripted import DAY, HOUR, Bench
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("way", ["at once", "down", "stepped", "token"])
async def test_a_callbacks_task_is_not_given_up_by_one_404(bench: Bench, way: str) -> None:
    """It waited for a day before anything was asked about it. CloudPress has the order twice."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    order = await bench.read(order_id)
    double = bench.cloudpress.land("Shop", status="RUNNING")
    bench.cloudpress.tell(double, created_at=order.created_at + timedelta(seconds=20))
    bench.cloudpress.script["task 2"] = [NotFound(404)]
    accounts = set(bench.accounts)
    if way == "token":
        bench.accounts.clear()
    await call_back(bench, order_id, 2)
    if way == "token":
        await bench.work_for(2 * DAY)
        bench.accounts.update(accounts)
    elif way == "down":
        bench.clock.time += timedelta(days=2)
    elif way == "stepped":
        bench.clock.step(2 * DAY)
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == [double], (await told(bench, order_id), order.due_at)
