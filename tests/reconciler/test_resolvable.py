"""What asks for a person can be resolved by one, and no word of his waits for ever."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.erasing import erase_order
from app.orders.orphans import orphans_like
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError
from app.orders.restorations import remember_restoration
from app.orders.settling_orphans import adopt_orphan
from tests.reconciler.scripted import ACCOUNT, DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA
from tests.reconciler.test_late_looks import finished
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_what_was_shown import look

MANY = 100_000
IMPOSSIBLE = "order.resolution_impossible"


async def lost_at_cloudpress(bench: Bench) -> UUID:
    """Have CloudPress not show an order any more, until a person is asked."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [NotFound(404)] * MANY
    bench.cloudpress.script["task"] = [NotFound(404)] * MANY
    bench.cloudpress.script["cancel"] = [NotFound(404)] * MANY
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", "not_found")
    return order_id


async def test_an_order_that_cloudpress_has_no_more_can_be_failed(bench: Bench) -> None:
    order_id = await lost_at_cloudpress(bench)
    await request_cancel(bench.db, order_id, by=ROSA)
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None)
    assert order.cancel_requested_at is not None, "CloudPress may show it again, and is asked then"
    await bench.say(order_id, "fail", by=ROSA)
    await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.error_code, order.attention_code) == ("failed", "failed_by_operator", None)
    assert order.late_look_at is not None
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert (order.due_at, order.late_look_at, order.resolution) == (None, None, None)


async def test_it_does_not_fail_where_cloudpress_shows_it_again(bench: Bench) -> None:
    order_id = await lost_at_cloudpress(bench)
    await bench.say(order_id, "fail", by=ROSA)
    bench.cloudpress.script.clear()
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.resolution) == ("provisioning", None, None)
    assert len(await bench.events(order_id, IMPOSSIBLE)) == 1


async def test_it_does_not_fail_while_cloudpress_tells_nothing(bench: Bench) -> None:
    order_id = await lost_at_cloudpress(bench)
    await bench.say(order_id, "fail", by=ROSA)
    bench.cloudpress.script["order"] = [Refused(500)] * 3
    await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.resolution is None) == ("provisioning", False)
    bench.cloudpress.script["order"] = [NotFound(404)] * MANY
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "failed"


@pytest.mark.parametrize("word", ["place_again", "dismiss_duplicates"])
async def test_it_takes_no_other_word(bench: Bench, word: str) -> None:
    order_id = await lost_at_cloudpress(bench)
    with pytest.raises(NotResolvableError):
        await bench.say(order_id, word, by=ROSA)


async def refused_list(bench: Bench) -> UUID:
    """Have the late look of a final order refused for ever, as where its account was closed."""
    order_id = await finished(bench)
    bench.cloudpress.script["orders"] = [Refused(403, ("closed",), is_own_form=True)] * MANY
    return order_id


async def failing_task(bench: Bench) -> UUID:
    """Have a task that a callback names for a final order fail for ever."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    bench.cloudpress.script["task 9"] = [Refused(500)] * MANY
    await record_callback(bench.db, order_id, b'{"task": {"id": 9}}')
    return order_id


@pytest.mark.parametrize("waiting", [refused_list, failing_task])
async def test_a_final_order_that_cloudpress_does_not_answer_for_can_be_settled(
    bench: Bench, waiting: Callable[[Bench], Awaitable[UUID]]
) -> None:
    order_id = await waiting(bench)
    await bench.skim(10 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("completed", "unanswered")
    assert "dismiss duplicates" in (order.attention_detail or "")
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.attention_code, order.due_at, order.late_look_at) == (None, None, None)
    assert await erase_order(bench.db, order_id, by=ROSA)


async def test_one_that_goes_on_cannot_be(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [Refused(500)] * MANY
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    with pytest.raises(NotResolvableError):
        await dismiss_duplicates(bench.db, order_id, by=ROSA)


async def test_an_orphan_is_dismissed_for_one_order_alone(bench: Bench) -> None:
    """It says: "If it is another's, resolve the order: dismiss duplicates." """
    await bench.order("Known before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.set(placing=False)
    orders = [await bench.order(), await bench.order()]
    await bench.work()
    bench.clock.time += timedelta(hours=1)
    lost = bench.cloudpress.land("Shop")  # another customer's, of the same name, that the backup lacks
    bench.clock.time += timedelta(hours=1)
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    await search_of(bench).search()
    await adopt_orphan(bench.db, ACCOUNT, lost, by=ROSA)
    await bench.work_for(2 * GRACE_SECONDS)
    order = await bench.read(orders[0])
    assert f"{lost}, which may be this order" in (order.attention_detail or "")
    assert "dismiss duplicates" in (order.attention_detail or "")
    await dismiss_duplicates(bench.db, orders[0], by=ROSA, shown=await look(bench, orders[0]))
    await bench.work_for(HOUR)
    settled, other = [await bench.read(order_id) for order_id in orders]
    assert lost not in (settled.attention_detail or "")
    assert lost in (other.attention_detail or "")
    async with bench.db.read() as session:
        assert await orphans_like(session, settled) == ()


async def suspected(bench: Bench) -> UUID:
    """Have an order be sought, beside a stranger's that may be it."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.land("A stranger's")
    await bench.work_for(2 * GRACE_SECONDS)
    return order_id


async def test_what_its_client_wants_cancelled_is_not_placed_again(bench: Bench) -> None:
    order_id = await suspected(bench)
    await request_cancel(bench.db, order_id, by=ROSA)
    with pytest.raises(NotResolvableError, match="wants this order cancelled"):
        await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    assert (await bench.read(order_id)).resolution is None


async def test_a_word_to_place_again_ends_where_the_client_cancels(bench: Bench) -> None:
    order_id = await suspected(bench)
    bench.cloudpress.script["orders"] = [Refused(500)] * 20
    await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    await bench.work()
    assert (await bench.read(order_id)).resolution is not None, "the list cannot be read"
    await request_cancel(bench.db, order_id, by=ROSA)
    await bench.work()
    assert (await bench.read(order_id)).resolution is None
    assert len(await bench.events(order_id, IMPOSSIBLE)) == 1
