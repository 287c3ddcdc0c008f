"""What CloudPress said of an order that ours had by its name is forgotten once ours has another one."""

from uuid import UUID

import pytest

from app.cloudpress import Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError, request_resolution
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import answered_with_what_she_takes, hers_never_lands
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def has_anothers(bench: Bench, task_status: str) -> tuple[UUID, str]:
    """Return an order that took another's by its name, and the id of that."""
    await bench.complete_one_before()
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order("Shop")
    await bench.work()
    anothers = bench.cloudpress.land("Shop", status=task_status)
    if task_status == "PENDING":
        page = "https://pay.test/anothers"
        bench.cloudpress.tell(anothers, payment_url=page, status="awaiting_payment")
    await bench.work_for(1000)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == (anothers, "lookup")
    return order_id, anothers


@pytest.mark.parametrize("by", ["answer", "callback"])
async def test_its_payment_page_is_shown_no_more(bench: Bench, by: str) -> None:
    """What is named instead cannot be read for now: nobody is sent to pay what is another's."""
    order_id, _ = await has_anothers(bench, "PENDING")
    assert (await bench.read(order_id)).payment_url == "https://pay.test/anothers"
    own = bench.cloudpress.land("Shop", status="PENDING")
    if by == "answer":
        bench.cloudpress.script[f"order {own}"] = [LOST] * 1000
        await answered_late(bench, order_id, own)
    else:
        bench.cloudpress.script[f"order {own}"] = [None] + [LOST] * 1000
        await call_back(bench, order_id, int(own.removeprefix("cp-")))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.payment_url) == (own, None)


async def test_a_refusal_to_cancel_it_is_no_answer_to_the_wish(bench: Bench) -> None:
    order_id, _ = await has_anothers(bench, "RUNNING")
    bench.cloudpress.script["cancel"] = [Refused(409, ("not in progress",), is_own_form=True)]
    await request_cancel(bench.db, order_id, by=BY)
    await bench.work()
    assert (await bench.read(order_id)).cancel_refusal == ["not in progress"]
    own = bench.cloudpress.land("Shop", status="RUNNING")
    await call_back(bench, order_id, int(own.removeprefix("cp-")))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.status) == (own, "cancelled")
    assert len(await bench.events(order_id, "order.cancel_requested")) == 2


async def unwanted(bench: Bench) -> UUID:
    """Have Rosa's client want it cancelled, and CloudPress refuse that about Ben's, which she has by name."""
    rosa = await hers_never_lands(bench)
    await answered_with_what_she_takes(bench, rosa, "cp-2")
    async with bench.db.write() as tx:  # what CloudPress said before his answer came
        order = await tx.session.get_one(Order, rosa)
        order.cancel_requested_at, order.cancel_refusal = None, ["not in progress"]
    await bench.work_for(HOUR)
    return rosa


async def test_what_is_unwanted_is_not_bought_again_because_cancelling_anothers_was_refused(
    bench: Bench,
) -> None:
    """A person is asked whose it is, and is not offered what would buy it for nobody."""
    rosa = await unwanted(bench)
    detail = (await bench.read(rosa)).attention_detail or ""
    assert "wants it cancelled" in detail
    assert "place again, or" not in detail
    with pytest.raises(NotResolvableError, match="wants this order cancelled"):
        await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "failed"


@pytest.mark.parametrize("is_read_late", [True, False])
@pytest.mark.parametrize("by", ["answer", "callback"])
async def test_whose_it_was_is_asked_no_more(bench: Bench, by: str, *, is_read_late: bool) -> None:
    """Rosa has by its name what Ben was answered with, of which a person is told. Then hers is named."""
    rosa = await hers_never_lands(bench)
    ben = await answered_with_what_she_takes(bench, rosa, "cp-2")
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate", await both(bench, rosa, ben)
    own = bench.cloudpress.land("shop-2", status="RUNNING")
    bench.cloudpress.script[f"order {own}"] = [None, *[LOST] * 5] if is_read_late else []
    if by == "answer":
        await answered_late(bench, rosa, own)
    else:
        await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.suspected_duplicates, order.mixed_up) == (None, None), await both(bench, rosa, ben)
    bench.cloudpress.end(own, "OK")
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id) == ("completed", own)
    assert order.attention_code is None, await both(bench, rosa, ben)
    assert await bench.known_site(ben) == "site-2", await both(bench, rosa, ben)


async def test_nor_after_a_word_to_fail_it_that_is_not_done_yet(bench: Bench) -> None:
    """The later word would count; and what was refused about another's is no answer to the wish still."""
    rosa = await unwanted(bench)
    posted = bench.cloudpress.count("place shop-2")
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    with pytest.raises(NotResolvableError, match="wants this order cancelled"):
        await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place shop-2") == posted
    assert (await bench.read(rosa)).status == "failed", "the word stands"


async def test_what_it_adopts_after_such_a_word_is_cancelled(bench: Bench) -> None:
    rosa = await unwanted(bench)
    own = bench.cloudpress.land("shop-2", status="RUNNING")
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await request_resolution(bench.db, rosa, action="adopt", cloudpress_order_id=own, by=BY)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.status) == (own, "cancelled")


async def test_a_backup_from_before_such_a_word_was_done_knows_that_it_is_unwanted(bench: Bench) -> None:
    """The word ends with the restoration, and whoever is asked then is not offered to have it bought."""
    rosa = await unwanted(bench)
    posted = bench.cloudpress.count("place shop-2")
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await doubt_unplaced_orders(bench.db)
    await bench.work_for(6 * HOUR)
    order = await bench.read(rosa)
    assert order.status == "unconfirmed"
    assert "wants it cancelled" in (order.attention_detail or "")
    assert bench.cloudpress.count("place shop-2") == posted
