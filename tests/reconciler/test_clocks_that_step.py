"""A clock that is put right ends no span early: neither what follows a yes to cancelling, nor a late look."""

from uuid import UUID

from app.cloudpress import NotFound
from app.orders.requests import request_cancel
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA
from tests.reconciler.test_what_was_shown import look

MANY = 5000


async def away_after_a_yes(bench: Bench, times: int) -> UUID:
    """Have CloudPress agree to cancel an order, and answer so many looks at it with 404."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=ROSA)
    await bench.work_for(5)
    assert (await bench.read(order_id)).cancel_accepted_at is not None
    bench.cloudpress.script["order"] = [NotFound(404)] * times
    bench.cloudpress.script["task"] = [NotFound(404)] * times
    await bench.work_for(3)
    assert (await bench.read(order_id)).missing_since is not None
    return order_id


async def test_seconds_after_a_yes_are_no_ten_minutes(bench: Bench) -> None:
    order_id = await away_after_a_yes(bench, 2)
    bench.clock.step(HOUR)
    await bench.work_for(60)
    bench.cloudpress.end("cp-1", "OK")  # it was faster than the cancelling
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"


async def test_another_machine_counts_anew_how_long_an_order_is_away(bench: Bench) -> None:
    order_id = await away_after_a_yes(bench, MANY)
    bench.clock.step(HOUR)
    bench.clock.boot = "another machine"
    await bench.work_for(5 * 60)
    assert (await bench.read(order_id)).status == "provisioning"
    await bench.work_for(10 * 60)
    assert (await bench.read(order_id)).status == "cancelled"


async def test_two_machines_in_turns_see_that_an_order_stays_away(bench: Bench) -> None:
    order_id = await away_after_a_yes(bench, MANY)
    for turn in range(60):
        bench.clock.boot = f"machine {turn % 2}"
        await bench.work_for(60)
    assert (await bench.read(order_id)).status == "cancelled"


async def test_an_order_that_was_shown_again_is_away_anew(bench: Bench) -> None:
    order_id = await away_after_a_yes(bench, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).missing_since is None
    bench.cloudpress.script["order"] = [NotFound(404)] * 2
    bench.cloudpress.script["task"] = [NotFound(404)] * 2
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "provisioning"


async def given_up(bench: Bench) -> UUID:
    """Have an operator give up an order whose request was lost: its late look is hours away."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(60)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(60)
    assert (await bench.read(order_id)).status == "failed"
    return order_id


async def test_the_late_look_is_as_late(bench: Bench) -> None:
    order_id = await given_up(bench)
    looked = bench.cloudpress.count("orders")
    bench.clock.step(6 * HOUR)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("orders") == looked
    late = bench.cloudpress.land("Shop")  # its request was on its way for so long
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    assert (order.suspected_duplicates, order.late_look_at) == ([late], None)


async def test_where_another_machine_sent_the_order_the_clock_says_when_the_late_look_is(
    bench: Bench,
) -> None:
    order_id = await given_up(bench)
    bench.clock.boot = "another machine"
    late = bench.cloudpress.land("Shop")
    await bench.work_for(6 * HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [late]
