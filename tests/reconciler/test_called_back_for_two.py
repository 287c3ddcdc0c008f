"""A gateway has sent an order twice: its callbacks are read whatever else it was found by."""

import pytest

from app.cloudpress import NotFound
from app.orders.callbacks import record_callback
from app.orders.resolving import request_resolution
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA, answered_late


@pytest.mark.parametrize("by", ["lookup", "operator", "answer", "callback"])
@EVERY_LOOK
async def test_a_callback_that_is_unread_when_an_order_is_found_finished_is_read(
    bench: Bench, by: str
) -> None:
    """A gateway has sent it twice. The double's task is shown some minutes after its callback.

    By a name nothing is taken while its own callback may be about to say which one it is; and what an answer
    named may be another's, if its own callback names something else.
    """
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()  # cp-2 is ours
    bench.cloudpress.end("cp-2", "OK")
    double = bench.cloudpress.land("Shop")
    bench.cloudpress.hides = lambda it: it == double or (it == "cp-2" and by != "lookup")
    bench.cloudpress.script["task 4"] = [NotFound(404)] * (28 if by == "lookup" else 3)
    await record_callback(bench.db, order_id, b'{"task": {"id": 4}}')
    if by == "operator":
        await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id="cp-2", by=ROSA)
    elif by == "callback":
        await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')
    elif by == "answer":
        await answered_late(bench, order_id)
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id, order.cloudpress_order_id_source) == (
        "provisioning" if by == "answer" else "completed",
        "cp-2",
        by,
    )
    assert order.suspected_duplicates == [double], (order.due_at, bench.cloudpress.count("task 4"))


async def test_what_its_own_callback_named_is_a_double_though_it_never_told_its_name(bench: Bench) -> None:
    await bench.complete_one_before()
    bench.cloudpress.script["answer"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    ours = "cp-2"
    double = bench.cloudpress.land("Shop")  # a gateway has sent it twice
    bench.cloudpress.hides = lambda it: it in {ours, double}
    bench.cloudpress.tell(double, site=None)
    bench.cloudpress.tasks[3] = bench.cloudpress.tasks[3].model_copy(update={"site_ids": ()})
    await record_callback(bench.db, order_id, b'{"task_id": 3}')
    await bench.skim(DAY + 2 * HOUR)
    order = await bench.read(order_id)
    assert double in (order.attention_detail or "")
    await record_callback(bench.db, order_id, b'{"task_id": 2}')
    bench.cloudpress.end(ours, "OK")
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == ours
    assert order.suspected_duplicates == [double], (order.status, order.attention_code)
