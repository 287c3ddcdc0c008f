"""What lasts for a day is told after a day of looks, whatever a clock showed, and not by two of them."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from app.reconciler.intents import is_overdue
from tests.reconciler.scripted import DAY, HOUR, Bench
from tests.reconciler.test_clocks_that_step import MANY, away_after_a_yes
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")
AHEAD = 30 * DAY
FAILURES = pytest.mark.parametrize("failure", [Refused(500), NotFound(404)], ids=["silent", "missing"])
CLOCKS = pytest.mark.parametrize("ahead", [0, AHEAD], ids=["right", "ahead"])


async def look_each_hour(bench: Bench, order_id: UUID, hours: int) -> None:
    """Run a pass each hour; what was put off by a clock that was ahead is due. (`ClockWatch`)"""
    for _ in range(hours):
        async with bench.db.write() as tx:
            order = await tx.session.get_one(Order, order_id)
            if order.due_at is not None and order.due_at > tx.now:
                order.not_before, order.due_at = None, tx.now
        await bench.work()
        bench.clock.time += timedelta(hours=1)


async def placed_and_never_shown(bench: Bench, failure: Exception) -> UUID:
    """Have an order be placed, and each look at it fail from then on."""
    bench.clock.time += timedelta(microseconds=123_457)
    order_id = await bench.order()
    await bench.work()
    for request in ("order", "task", "site"):
        bench.cloudpress.script[request] = [failure] * MANY
    return order_id


async def silent(bench: Bench) -> UUID:
    """Have a look at a placed order fail for the first time."""
    order_id = await placed_and_never_shown(bench, Refused(500))
    await bench.work_for(135)
    assert (await bench.read(order_id)).silent_since is not None
    return order_id


async def keep_as_before(bench: Bench, order_id: UUID, since: datetime | None) -> None:
    """Write when a silence began as a release does that knows of nothing else."""
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, order_id)).silent_since = since


@CLOCKS
@FAILURES
async def test_weeks_of_failures_are_told(bench: Bench, failure: Exception, ahead: float) -> None:
    """They began while the clock was ahead, and it was put right within the hour."""
    order_id = await placed_and_never_shown(bench, failure)
    bench.clock.step(ahead)
    await bench.work_for(HOUR)
    bench.clock.step(-ahead)
    await look_each_hour(bench, order_id, 22)
    assert (await bench.read(order_id)).attention_code is None, "a day is not over"
    await look_each_hour(bench, order_id, 3)
    assert (await bench.read(order_id)).attention_code, await told(bench, order_id)


@pytest.mark.parametrize("how", ["step", "no worker"])
@FAILURES
async def test_two_looks_are_no_day(bench: Bench, failure: Exception, how: str) -> None:
    """Between two looks that failed a clock stepped by two days, or nobody looked for as long."""
    order_id = await placed_and_never_shown(bench, failure)
    await bench.work_for(135)  # a look, and few right after it
    if how == "step":
        bench.clock.step(2 * DAY)
    else:
        bench.clock.time += timedelta(days=2)
    await bench.work()
    order = await bench.read(order_id)
    assert order.attention_code is None, (bench.cloudpress.asked, order.attention_detail)


async def test_two_looks_are_no_ten_minutes(bench: Bench) -> None:
    """What CloudPress agreed to cancel is not gone where a night lies between two looks that failed."""
    order_id = await away_after_a_yes(bench, MANY)
    bench.clock.time += timedelta(hours=10)
    await bench.work()
    assert (await bench.read(order_id)).status == "provisioning"


@CLOCKS
async def test_an_order_that_could_not_be_sent_for_a_week_is_not_sent(bench: Bench, ahead: float) -> None:
    """It was accepted while the clock was ahead, and CloudPress was busy for a week: a person is asked."""
    bench.clock.step(ahead)
    bench.cloudpress.script["place"] = [Refused(503, (), 60.0, is_own_form=True)] * MANY
    order_id = await bench.order()
    await bench.work()
    bench.clock.step(-ahead)
    await look_each_hour(bench, order_id, 7 * 24)
    bench.cloudpress.script.clear()
    await look_each_hour(bench, order_id, 24)
    assert not bench.cloudpress.orders_made, await told(bench, order_id)
    assert (await bench.read(order_id)).attention_code == "not_sent"


async def test_an_order_of_a_machine_that_is_a_little_ahead_is_sent(bench: Bench) -> None:
    """Its time is yet to come, and nobody is asked."""
    order_id = await bench.order()
    bench.clock.step(-60)
    await look_each_hour(bench, order_id, 1)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", None)


@pytest.mark.parametrize(
    ("hours", "is_over", "reason"),
    [
        (-30 * 24, True, "a time that is far ahead tells nothing"),
        (-12, False, "clocks differ"),
        (0, False, "it was just accepted"),
        (23, False, "a day is not over"),
        (25, True, "a day is over"),
    ],
)
@pytest.mark.parametrize("is_asked_anew", [False, True])
def test_of_which_age_an_order_is_overdue(
    hours: int, reason: str, *, is_over: bool, is_asked_anew: bool
) -> None:
    """The same holds of a word to place it again, whenever it was ordered."""
    now = datetime.fromisoformat("2026-11-23T12:00Z")
    then = now - timedelta(hours=hours)
    order = Order(created_at=then)
    if is_asked_anew:
        order = Order(created_at=now - timedelta(days=90))
        order.resolution = {"action": "place_again", "at": then.isoformat()}
    assert is_overdue(order, now) is is_over, reason


@CLOCKS
async def test_what_was_agreed_to_be_cancelled_is_asked_again_after_a_day(bench: Bench, ahead: float) -> None:
    """The clock was ahead as CloudPress agreed, which has forgotten that since."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    bench.clock.step(ahead)
    await request_cancel(bench.db, order_id, by=BY)
    await bench.work()
    bench.clock.step(-ahead)
    await look_each_hour(bench, order_id, 4 * 24)
    asked = bench.cloudpress.count("cancel")
    assert 1 < asked < 7, (asked, await told(bench, order_id))


async def test_a_silence_from_before_an_upgrade_goes_on(bench: Bench) -> None:
    """Of what has passed since it began hours count, as of any gap between two looks."""
    order_id = await silent(bench)
    await keep_as_before(bench, order_id, bench.clock.time - timedelta(hours=5))
    await look_each_hour(bench, order_id, 18)
    assert (await bench.read(order_id)).attention_code is None, "a day is not over"
    await look_each_hour(bench, order_id, 3)
    assert (await bench.read(order_id)).attention_code == "unanswered"


async def test_a_silence_from_long_before_an_upgrade_is_not_taken_at_its_word(bench: Bench) -> None:
    """A clock may have been wrong as it began, and nobody may have looked since."""
    order_id = await silent(bench)
    await keep_as_before(bench, order_id, bench.clock.time - timedelta(days=30))
    await look_each_hour(bench, order_id, 17)
    assert (await bench.read(order_id)).attention_code is None, "hours of it count, and no day"
    await look_each_hour(bench, order_id, 3)
    assert (await bench.read(order_id)).attention_code == "unanswered"


@pytest.mark.parametrize("begins_anew", [False, True])
async def test_what_a_release_beside_this_one_ended_is_over(bench: Bench, *, begins_anew: bool) -> None:
    """A silence that lasted for hours is not counted as part of the next one."""
    order_id = await silent(bench)
    await look_each_hour(bench, order_id, 23)
    await keep_as_before(bench, order_id, bench.clock.time if begins_anew else None)
    await look_each_hour(bench, order_id, 23)
    assert (await bench.read(order_id)).attention_code is None
    await look_each_hour(bench, order_id, 3)
    assert (await bench.read(order_id)).attention_code == "unanswered"


async def test_what_ended_leaves_nothing_behind(bench: Bench) -> None:
    """An answer ends what was counted."""
    order_id = await silent(bench)
    await look_each_hour(bench, order_id, 23)
    bench.cloudpress.script.clear()
    await look_each_hour(bench, order_id, 1)
    order = await bench.read(order_id)
    assert (order.silent_since, order.silent_known_since) == (None, None)
