"""More different callbacks than are kept of an order: those that say something new are heard all the same."""

from datetime import timedelta
from uuid import UUID

from app.orders.callbacks import record_callback
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA, lost_and_hidden
from tests.reconciler.test_what_was_shown import look

NAMES_NONE = b'{"timestamp": %d, "success": false}'


async def called_back_twenty_times(bench: Bench, order_id: UUID, body: bytes = NAMES_NONE) -> None:
    """Let in as many different callbacks as are kept: each try of one callback tells its own time."""
    for number in range(20):
        await record_callback(bench.db, order_id, body % number)


async def given_up_in_spite_of_twenty(bench: Bench) -> UUID:
    """Have an order be given up by an operator who was shown all of its twenty callbacks."""
    order_id = await lost_and_hidden(bench)
    await called_back_twenty_times(bench, order_id)
    await bench.work_for(GRACE_SECONDS)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code is None
    return order_id


async def test_a_callback_beyond_the_twentieth_ends_a_word(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    await called_back_twenty_times(bench, order_id)
    await bench.work_for(GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_called_back"
    bench.set(placing=False)
    await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    bench.clock.time += timedelta(seconds=1)
    await record_callback(bench.db, order_id, b'{"task": {"id": 2, "status": "OK"}}')
    await bench.work_for(HOUR)
    bench.set(placing=True)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 1


async def test_a_callback_beyond_the_twentieth_after_the_end_is_told(bench: Bench) -> None:
    order_id = await given_up_in_spite_of_twenty(bench)
    await record_callback(bench.db, order_id, b'{"task": {"id": 2, "status": "OK"}}')
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code is not None


async def test_one_more_that_names_nothing_speaks_again_after_all_were_overruled(bench: Bench) -> None:
    order_id = await given_up_in_spite_of_twenty(bench)
    await record_callback(bench.db, order_id, b'{"timestamp": 20, "success": true}')
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "placement_called_back"


async def test_one_more_that_names_a_task_leads_to_the_order(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    await called_back_twenty_times(bench, order_id)
    await record_callback(bench.db, order_id, b'{"task": {"id": 2, "status": "OK"}}')
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", "callback")


async def test_one_more_of_a_task_that_was_given_up_is_read(bench: Bench) -> None:
    bench.set(may_place_again=False)
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    task = bench.cloudpress.tasks.pop(2)
    await called_back_twenty_times(bench, order_id, b'{"task_id": 2, "timestamp": %d}')
    await bench.work_for(2 * GRACE_SECONDS)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code is None
    bench.cloudpress.tasks[2] = task
    await record_callback(bench.db, order_id, b'{"task_id": 2, "timestamp": 20}')
    await bench.work_for(HOUR)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
