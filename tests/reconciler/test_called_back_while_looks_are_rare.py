"""A callback comes in while looks are rare, a moment before CloudPress shows what it is about."""

from datetime import timedelta

from app.orders.callbacks import record_callback
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench


async def test_an_order_that_is_looked_for(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(DAY)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    # It lands late; CloudPress calls back, and shows the task and the order 10 seconds later.
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    await bench.work()
    assert (await bench.read(order_id)).attention_code == "placement_called_back"
    bench.clock.time += timedelta(seconds=10)
    bench.cloudpress.land("Shop")
    await bench.work_for(600)
    order = await bench.read(order_id)
    assert order.status == "completed", "found within ten minutes of its own callback"


async def test_an_order_that_is_paid(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.tell("cp-1", payment_url="https://pay.example/1", asks_for_payment=True)
    await bench.work_for(2 * DAY)
    assert (await bench.read(order_id)).status == "awaiting_payment"
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    await bench.work()
    bench.clock.time += timedelta(seconds=10)
    bench.cloudpress.tell("cp-1", payment_url=None, asks_for_payment=False)
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(600)
    order = await bench.read(order_id)
    assert order.status == "completed"


async def test_a_final_order_whose_double_calls_back(bench: Bench) -> None:
    """Its looks for what an earlier callback named were many, and ended days ago."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    await record_callback(bench.db, order_id, b'{"task_id": 77}')
    await bench.work_for(3 * DAY)
    order = await bench.read(order_id)
    assert order.due_at is None, "nothing is waited for"
    await record_callback(bench.db, order_id, b'{"task_id": 2}')
    await bench.work()
    bench.clock.time += timedelta(seconds=10)
    bench.cloudpress.land("Shop")
    await bench.work_for(1200)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == ["cp-2"]
