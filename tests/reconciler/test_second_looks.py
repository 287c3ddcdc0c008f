"""What speaks for an order being at CloudPress is never overlooked, however late and broken it comes."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.cloudpress import NotFound, Refused, SiteRef
from app.db.models import LookUp, Order, Placement
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel
from app.orders.shown import Shown
from app.states import PostOutcome
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import GRACE_SECONDS, HOUR, LOST, Bench

HELD_OFF = Refused(429, ("not now",), 600, is_own_form=True)
CLIENT, OPERATOR = Actor("client"), Actor("operator")


def posts(bench: Bench) -> int:
    """Return how often the order that each test is about was sent, beside those that prove the list."""
    return bench.cloudpress.count("place Shop")


async def placed_again_and_held_off(bench: Bench) -> UUID:
    """Return an order whose first attempt is unknown, and whose second one was refused for now."""
    bench.cloudpress.script["place"] = [None, LOST, None, HELD_OFF]
    order_id = await bench.order_among_others()
    await bench.work_for(GRACE_SECONDS * 1.2)
    assert (posts(bench), (await bench.read(order_id)).status) == (2, "pending")
    return order_id


# --- while an order waits to be sent ------------------------------------------------------------------


@EVERY_LOOK
async def test_a_callback_stops_an_order_that_is_to_be_sent_again(bench: Bench) -> None:
    order_id = await placed_again_and_held_off(bench)
    landed = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b'{"task_id": 3}')
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id, posts(bench)) == ("completed", landed, 2)


async def test_a_callback_stops_an_order_that_was_never_sent_as_far_as_is_known(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.work()
    landed = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b"whatever")
    bench.set(placing=True)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id, posts(bench)) == ("completed", landed, 0)


@EVERY_LOOK
async def test_a_callback_that_leads_nowhere_never_lets_the_order_be_sent(bench: Bench) -> None:
    order_id = await placed_again_and_held_off(bench)
    await record_callback(bench.db, order_id, b'{"task_id": 77}')
    await bench.work_for(48 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, posts(bench)) == ("unconfirmed", "placement_called_back", 2)


@EVERY_LOOK
async def test_a_late_answer_stops_an_order_that_is_to_be_sent_again(bench: Bench) -> None:
    order_id = await placed_again_and_held_off(bench)
    landed = bench.cloudpress.land("Shop")
    async with bench.db.write() as tx:
        first = await tx.session.get_one(Placement, (order_id, 1))
        first.outcome, first.cloudpress_order_id = PostOutcome.PLACED, landed
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id, posts(bench)) == ("completed", landed, 2)


async def test_cancelling_an_order_that_called_back_cancels_it_at_cloudpress(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    landed = bench.cloudpress.land("Shop", status="RUNNING")
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    wished = await request_cancel(bench.db, order_id, by=CLIENT)
    assert wished is not None
    assert wished.status == "pending", "CloudPress may well have heard of it"
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("cancelled", landed)
    assert bench.cloudpress.tasks[1].status == "CANCELLED"


async def test_a_yes_to_cancelling_that_comes_to_nothing_is_asked_for_again_after_a_day(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=CLIENT)
    await bench.skim(23 * HOUR)
    assert (bench.cloudpress.count("cancel"), (await bench.read(order_id)).status) == (1, "provisioning")
    bench.cloudpress.heeds_cancelling = True
    await bench.work_for(2 * HOUR)
    assert (bench.cloudpress.count("cancel"), (await bench.read(order_id)).status) == (2, "cancelled")


async def test_an_operator_overrules_callbacks_that_he_knew_of_and_no_later_one(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST, HELD_OFF]
    order_id = await bench.order()
    await bench.work()
    await record_callback(bench.db, order_id, b"known to the operator")
    await bench.say(order_id, "place_again", by=OPERATOR, shown=Shown(callbacks=1))
    await bench.work()
    await bench.work()
    assert posts(bench) == 2, "sent again, and held off"
    await record_callback(bench.db, order_id, b"news")
    await bench.work_for(HOUR)
    assert ((await bench.read(order_id)).status, posts(bench)) == ("unconfirmed", 2)


# --- requests that fail at the wrong moment -----------------------------------------------------------


async def test_a_404_that_passes_does_not_use_up_what_a_callback_names(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST, LOST]
    twins = [await bench.order(), await bench.order()]
    await bench.work()
    landed = [bench.cloudpress.land("Shop") for _ in twins]
    bench.cloudpress.script["task"] = [NotFound(404), NotFound(404)]
    for number, order_id in enumerate(twins, 1):
        await record_callback(bench.db, order_id, b'{"task_id": %d}' % number)
    await bench.work_for(HOUR)
    orders = [await bench.read(order_id) for order_id in twins]
    assert [order.status for order in orders] == ["completed", "completed"]
    assert [order.cloudpress_order_id for order in orders] == landed


@pytest.mark.parametrize("failure", [LOST, NotFound(404)], ids=["no answer", "404"])
async def test_a_double_shows_also_if_a_request_fails_in_the_pass_that_would_end_the_order(
    bench: Bench, failure: Exception
) -> None:
    """It may be its own, and what the order holds another's: nothing is concluded by that."""
    order_id = await bench.order()
    await bench.work()
    double = bench.cloudpress.land("Shop")
    bench.cloudpress.end("cp-1", "OK")
    bench.cloudpress.script["task 2"] = [failure]
    await record_callback(bench.db, order_id, b'{"task_id": 2}')
    await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.suspected_duplicates) == ("provisioning", None)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "provisioning"
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", [double])


async def test_retry_after_is_heard_also_where_a_callbacks_task_is_asked_for(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["task 9"] = [Refused(429, retry_after_seconds=500)]
    await record_callback(bench.db, order_id, b'{"task_id": 9}')
    await bench.work()
    order = await bench.read(order_id)
    assert order.failures == 1
    assert order.due_at is not None
    assert order.due_at - bench.clock.time >= timedelta(seconds=500)


async def test_a_task_that_no_one_ever_shows_is_given_up_after_a_day(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await record_callback(bench.db, order_id, b'{"task_id": 99}')
    await bench.work()
    assert (await bench.read(order_id)).due_at is not None
    await bench.work_for(26 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.due_at, order.attention_code) == ("completed", None, None)
    assert bench.cloudpress.count("task 99") < 50, "ever more seldom, up to once an hour"


async def test_a_callback_speaks_for_no_order_whose_site_has_another_name(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    strangers = bench.cloudpress.land("Sho")
    bench.cloudpress.tell(strangers, site=SiteRef(id="site-1", name=None))
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    await bench.work()
    assert (await bench.read(order_id)).cloudpress_order_id is None


# --- attempts ----------------------------------------------------------------------------------------


async def test_every_attempt_needs_two_look_ups_of_its_own(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST, None, LOST]
    await bench.order_among_others()
    for _ in range(100):
        if posts(bench) == 2:
            break
        await bench.work_for(20)  # so that no look-up after the second attempt falls into it
    await bench.order("One more")
    await bench.work()
    bench.clock.time += timedelta(seconds=GRACE_SECONDS * 2)  # nobody was there during the second grace
    asked = bench.cloudpress.count("orders")
    await bench.work()
    assert (posts(bench), bench.cloudpress.count("orders") - asked) == (2, 2), (
        "a page, and the end of the list"
    )
    await bench.work_for(GRACE_SECONDS)
    assert posts(bench) == 3
    assert bench.cloudpress.count("orders") - asked >= 4


@EVERY_LOOK
async def test_what_an_order_is_placed_again_on_stands_in_its_timeline(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(GRACE_SECONDS * 1.2)
    [nowhere] = await bench.events(order_id, "order.found_nowhere")
    assert nowhere.data["look_ups"] >= 2
    assert nowhere.data["last_look_up_at"]
    assert nowhere.data["proven_by"] == ["cp-1", "cp-2"]


@EVERY_LOOK
async def test_an_order_that_is_to_be_sent_again_is_a_look_alike(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST, LOST]
    one, other = await bench.order(), await bench.order()
    await bench.work()
    bench.set(placing=False)
    await bench.say(one, "place_again", by=OPERATOR)
    await bench.work()
    bench.cloudpress.land("Shop")  # it may be of either
    await bench.work_for(GRACE_SECONDS * 1.2)
    order = await bench.read(other)
    assert (order.cloudpress_order_id, order.attention_code) == (None, "placement_ambiguous")


async def test_a_lease_that_barely_outlasts_a_request_is_enough(bench: Bench) -> None:
    bench.set(lease_seconds=15.001)
    order_id = await bench.order()
    await bench.work()
    assert (await bench.read(order_id)).status == "provisioning"


async def test_callbacks_that_contradict_each_other_have_all_looked_for_that_may_be_meant(
    bench: Bench,
) -> None:
    bench.cloudpress.script["answer"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    strangers = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b'{"task_id": 2}')
    await bench.work()
    assert (await bench.read(order_id)).cloudpress_order_id == strangers
    twin = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b'{"task_id": 3}')  # its own number was given anew
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == [twin, "cp-1"], "its own is cp-1, which no callback names"
    lists = bench.cloudpress.count("orders")
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("orders") == lists, "it is looked for once"


async def found_by_look_up(bench: Bench) -> UUID:
    """Return an order that was lost on its way, and that a stranger's twin was taken for."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.end(bench.cloudpress.land("Shop"), "OK")
    await bench.work_for(GRACE_SECONDS)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id_source) == ("completed", "lookup")
    return order_id


async def test_a_callback_is_heard_also_where_another_order_has_looked_up_what_it_names(bench: Bench) -> None:
    order_id = await found_by_look_up(bench)
    bench.cloudpress.script["place"] = [LOST]
    other = await bench.order()
    await bench.work()
    own = bench.cloudpress.land("Shop")  # what was sent first has landed very late
    await bench.work_for(GRACE_SECONDS)
    assert (await bench.read(other)).cloudpress_order_id == own
    number = own.removeprefix("cp-")
    await record_callback(bench.db, order_id, b'{"task_id": %b}' % number.encode())
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", [own])


async def test_what_an_unread_callback_may_name_is_not_adopted_by_another_order(bench: Bench) -> None:
    order_id = await found_by_look_up(bench)
    bench.cloudpress.script["place"] = [LOST]
    other = await bench.order()
    await bench.work()
    own = bench.cloudpress.land("Shop")
    number = own.removeprefix("cp-")
    await record_callback(bench.db, order_id, b'{"task_id": %b}' % number.encode())
    async with bench.db.write() as tx:  # its pass is late
        (await tx.session.get_one(Order, order_id)).due_at = tx.now + timedelta(seconds=GRACE_SECONDS)
    await bench.work_for(GRACE_SECONDS * 0.9)
    assert (await bench.read(other)).cloudpress_order_id is None
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [own]
    assert (await bench.read(other)).attention_code == "placement_ambiguous"


# --- doubles that are none any more ------------------------------------------------------------------


async def with_a_double(bench: Bench) -> tuple[UUID, str]:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    double = bench.cloudpress.land("Shop")
    for task_id in (1, 2):
        await record_callback(bench.db, order_id, b'{"task_id": %d}' % task_id)
    await bench.work()
    assert (await bench.read(order_id)).attention_code == "suspected_duplicate"
    return order_id, double


@pytest.mark.parametrize("ending", ["CANCELLED", "FAILED"])
async def test_a_double_that_is_over_at_cloudpress_asks_nobody_any_more(bench: Bench, ending: str) -> None:
    order_id, double = await with_a_double(bench)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "suspected_duplicate"
    bench.cloudpress.end(double, ending)
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.due_at) == ("completed", None, None)
    assert [event.data for event in await bench.events(order_id, "order.duplicate_ended")] == [
        {"cloudpress_order_id": double}
    ]
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code is None, "nor when it is called back of once more"


async def test_an_operator_dismisses_a_double(bench: Bench) -> None:
    order_id, double = await with_a_double(bench)
    dismissed = await dismiss_duplicates(bench.db, order_id, by=OPERATOR)
    assert dismissed is not None
    assert (dismissed.attention_code, dismissed.suspected_duplicates) == (None, None)
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.settled_duplicates) == (None, [double])


# --- a restored database -----------------------------------------------------------------------------


async def test_a_restored_order_is_looked_for_a_whole_grace_before_it_is_placed(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.work()
    bench.clock.time += timedelta(hours=1)
    assert await doubt_unplaced_orders(bench.db) == 1
    bench.set(placing=True)
    await bench.work_for(GRACE_SECONDS * 0.9)
    assert posts(bench) == 0, "the original may have sent it just before"
    await bench.work_for(48 * HOUR)
    assert posts(bench) == 0, "nor does a list prove what it shows of a time that was lost"
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    await bench.say(order_id, "place_again", by=OPERATOR)
    await bench.work_for(60)
    assert (posts(bench), (await bench.read(order_id)).status) == (1, "provisioning")


async def test_what_was_placed_long_before_the_restore_is_found(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.work()
    landed = bench.cloudpress.land("Shop")  # by the original, an hour before the copy of it starts
    bench.clock.time += timedelta(hours=1)
    await doubt_unplaced_orders(bench.db)
    bench.set(placing=True)
    await bench.work_for(HOUR)
    assert ((await bench.read(order_id)).cloudpress_order_id, posts(bench)) == (landed, 0)


async def test_what_the_original_placed_twice_is_told(bench: Bench) -> None:
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.work()
    await doubt_unplaced_orders(bench.db)
    held = bench.cloudpress.land("Shop")
    bench.set(placing=True)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == held
    other = bench.cloudpress.land("Shop")  # another request of the original was still on its way
    await bench.work_for(5 * HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", [other])


async def test_what_an_operator_wished_before_the_backup_may_have_been_done(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.say(order_id, "place_again", by=OPERATOR)
    async with bench.db.write() as tx:  # look-ups of before the backup
        tx.session.add(
            LookUp(order_id=order_id, completed=9, candidates=[], suspects=[], unseen=[], begun_at=tx.now)
        )
    assert await doubt_unplaced_orders(bench.db) == 0, "it was not pending"
    landed = bench.cloudpress.land("Shop")  # what the original did on that wish
    async with bench.db.read() as session:
        assert (await session.execute(select(func.count(LookUp.order_id)))).scalar_one() == 0
    await bench.work_for(HOUR)
    assert ((await bench.read(order_id)).cloudpress_order_id, posts(bench)) == (landed, 1)
