"""Which requests to cancel CloudPress may have done unheard, and what its answers say then."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import BadAnswer, NotFound, NotSent, Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_answered_with_the_own_task import answered_with_hers
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

GONE = NotFound(404, ("not found",), is_own_form=True)
NOT_IN_PROGRESS = Refused(409, ("not in progress",), is_own_form=True)
NOT_ASKED = (
    NotSent("refused", kind="connect"),
    NotSent("held back", kind="held_back"),
    Refused(429, ("slow down",), is_own_form=True, retry_after_seconds=30.0),
    Refused(401, ("no",), is_own_form=True),
    Refused(403),
    Refused(302),
)
PERHAPS_DONE = (LOST, Refused(503), Refused(408), BadAnswer("no JSON", kind="not_json"))
BY = Actor("operator")


def disappear(bench: Bench) -> None:
    """Have CloudPress answer 404 to all that is asked about the order from now on."""
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request] = [GONE] * 100_000


def reappear(bench: Bench) -> None:
    """Have CloudPress show everything again."""
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request].clear()


async def asked_once(bench: Bench, failure: Exception) -> UUID:
    """Return an order that CloudPress was once asked to cancel, and goes on with."""
    bench.cloudpress.heeds_cancelling = False
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["cancel"] = [failure]
    await request_cancel(bench.db, order_id, by=BY)
    await bench.work()
    assert bench.cloudpress.count("cancel") == 1
    return order_id


@pytest.mark.parametrize("failure", NOT_ASKED, ids=lambda it: it.kind)
@EVERY_LOOK
async def test_what_it_was_not_asked_or_turned_away_it_has_not_done(bench: Bench, failure: Exception) -> None:
    """It does not show the order for half an hour, and goes on with it: nobody is told of an end."""
    order_id = await asked_once(bench, failure)
    disappear(bench)
    await bench.work_for(HOUR / 2)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None)
    reappear(bench)
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(DAY)
    assert (await bench.read(order_id)).status == "completed"


@pytest.mark.parametrize("failure", PERHAPS_DONE, ids=lambda it: it.kind)
@EVERY_LOOK
async def test_what_it_was_asked_without_a_clear_answer_it_may_have_done(
    bench: Bench, failure: Exception
) -> None:
    order_id = await asked_once(bench, failure)
    disappear(bench)
    await bench.work_for(HOUR / 2)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("cancelled", None)


@pytest.mark.parametrize("refusal", [GONE, NOT_IN_PROGRESS], ids=lambda it: it.kind)
async def test_what_it_does_between_a_look_and_the_next_request_is_no_refusal(
    bench: Bench, refusal: Refused
) -> None:
    """It does what it was asked before right after it has shown the order once more."""
    order_id = await asked_once(bench, LOST)

    async def cancel(*_sent: Any, **_more: Any) -> Any:
        bench.cloudpress.orders_made.clear()
        bench.cloudpress.tasks.clear()
        bench.cloudpress.cancel = lost_sight  # type: ignore[method-assign]
        raise refusal

    async def lost_sight(*_sent: Any, **_more: Any) -> Any:
        raise GONE

    bench.cloudpress.cancel = cancel  # type: ignore[method-assign]
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("cancelled", None)


@pytest.mark.parametrize("refusal", [GONE, NOT_IN_PROGRESS], ids=lambda it: it.kind)
async def test_a_task_that_is_shown_on_makes_it_no_refusal(bench: Bench, refusal: Refused) -> None:
    """The order is gone, as something that was cancelled may be; who asks for it is told so."""
    order_id = await asked_once(bench, LOST)
    bench.cloudpress.orders_made.clear()
    bench.cloudpress.script["cancel"] = [refusal] * 100_000
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal, order.attention_code) == ("provisioning", None, "not_found")
    assert order.cancel_requested_at is not None


async def test_a_404_with_a_look_that_failed_is_no_refusal(bench: Bench) -> None:
    """Whether it is still shown is not known."""
    order_id = await bench.order()
    await bench.work()
    await request_cancel(bench.db, order_id, by=BY)
    bench.cloudpress.script["cancel"] = [GONE]
    bench.cloudpress.script["order"] = [None, LOST]
    await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "cancelled"


async def test_a_refusal_about_what_is_shown_is_one_also_after_a_lost_answer(bench: Bench) -> None:
    order_id = await asked_once(bench, LOST)
    bench.cloudpress.script["cancel"] = [NOT_IN_PROGRESS]
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", ["not in progress"])


@pytest.mark.parametrize("ended", ["wish", "absence"])
@EVERY_LOOK
async def test_what_a_release_before_has_ended_counts_no_more(bench: Bench, ended: str) -> None:
    """It knows nothing of what was asked and counted for: a single 404 would be the end of the next wish."""
    order_id = await asked_once(bench, LOST)
    disappear(bench)
    await bench.work_for(580)
    assert (await bench.read(order_id)).status == "provisioning"
    async with bench.db.write() as tx:
        order = await tx.session.get_one(Order, order_id)
        if ended == "wish":
            order.cancel_requested_at, order.cancel_refusal = None, ["not in progress"]
        order.missing_since = order.missing_known_since = None
        order.due_at = tx.now + timedelta(days=1)
    bench.clock.time += timedelta(days=1)
    await request_cancel(bench.db, order_id, by=BY)
    await bench.work()
    assert (await bench.read(order_id)).status == "provisioning"
    await bench.work_for(HOUR / 2)
    ends = "provisioning" if ended == "wish" else "cancelled"
    assert (await bench.read(order_id)).status == ends, (
        "for this wish it was asked, and answered 404, no more"
    )


async def asked_and_held_back(bench: Bench, answer: Exception | None) -> UUID:
    """Return an order whose callback's task is not shown, for a moment, by the look after the request."""
    bench.cloudpress.heeds_cancelling = False
    order_id = await bench.order()
    await bench.work()
    await call_back(bench, order_id, 1)
    await request_cancel(bench.db, order_id, by=BY)
    bench.cloudpress.script["cancel"] = [answer]
    bench.cloudpress.script["task 1"] = [None, GONE]
    await bench.work()
    assert bench.cloudpress.count("cancel") == 1
    order = await bench.read(order_id)
    assert (order.status, order.cancel_accepted_at, order.cancel_refusal) == ("provisioning", None, None)
    return order_id


TURNED_AWAY = pytest.mark.parametrize("refusal", [GONE, NOT_IN_PROGRESS], ids=lambda it: it.kind)


@TURNED_AWAY
@EVERY_LOOK
async def test_what_it_turned_away_while_the_order_is_held_back_it_has_not_done(
    bench: Bench, refusal: Refused
) -> None:
    order_id = await asked_and_held_back(bench, refusal)
    disappear(bench)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None)


@TURNED_AWAY
async def test_it_is_asked_again_then_and_what_it_says_is_told(bench: Bench, refusal: Refused) -> None:
    order_id = await asked_and_held_back(bench, refusal)
    bench.cloudpress.script["cancel"] = [NOT_IN_PROGRESS]
    await bench.work_for(HOUR / 4)
    order = await bench.read(order_id)
    assert (order.cancel_requested_at, order.cancel_refusal) == (None, ["not in progress"])


@EVERY_LOOK
async def test_what_it_agreed_to_while_the_order_is_held_back_it_may_have_done(bench: Bench) -> None:
    order_id = await asked_and_held_back(bench, None)
    disappear(bench)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "cancelled"


@EVERY_LOOK
async def test_nor_has_it_done_before_what_it_turned_away_while_the_order_is_held_back(bench: Bench) -> None:
    """It shows the order, and refuses: so it did not do what it was asked before, whatever became of that."""
    bench.cloudpress.script["task 1"] = [GONE, None, GONE]
    order_id = await asked_once(bench, LOST)
    await call_back(bench, order_id, 1)
    bench.cloudpress.script["cancel"] = [NOT_IN_PROGRESS]
    await bench.work()
    assert bench.cloudpress.count("cancel") == 2
    assert (await bench.read(order_id)).cancel_refusal is None
    disappear(bench)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "provisioning"


@EVERY_LOOK
async def test_nor_has_it_done_what_it_turned_away_of_what_may_be_anothers(bench: Bench) -> None:
    """His answer's task is shown after the request alone; then an operator says that he has his own."""
    _rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.script["task 3"] = [GONE]
    bench.cloudpress.script["cancel"] = [NOT_IN_PROGRESS]
    await request_cancel(bench.db, ben, by=BY)
    await bench.work_for(60)
    order = await bench.read(ben)
    assert (order.attention_code, order.cancel_refusal) == ("suspected_duplicate", None)
    disappear(bench)
    await bench.say(ben, "dismiss_duplicates", by=BY, shown=await look(bench, ben))
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).status == "provisioning"
