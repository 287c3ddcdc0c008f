"""CloudPress answered two orders with one: one of the answers is wrong, and both ask whose it is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, Placed, TaskRef
from app.db.models import Order, Placement
from app.events.timeline import Actor
from app.orders.erasing import erase_order
from app.orders.waking import make_due
from app.states import OrderStatus
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_anothers_answers import answers, both_call_back, sent
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def test_what_both_were_answered_with_is_kept_and_who_has_it_is_asked(bench: Bench) -> None:
    """One of the answers is wrong, and nothing calls back."""
    rosa, ben = await sent(bench, ("cp-3", 3), ("cp-3", 3))
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(3 * HOUR)
    assert await bench.known_site(rosa) is None, await both(bench, rosa, ben)
    assert "answered another order here" in ((await bench.read(rosa)).attention_detail or "")
    assert "cp-3" in ((await bench.read(ben)).attention_detail or ""), await both(bench, rosa, ben)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)


async def test_its_own_callback_tells_which_of_the_two_answers_is_right(bench: Bench) -> None:
    rosa, ben = await sent(bench, ("cp-2", 2), ("cp-2", 2))
    await both_call_back(bench, rosa, ben)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-3"


async def test_who_has_ended_as_what_another_is_answered_with_then_is_asked_as_well(bench: Bench) -> None:
    rosa, ben = await sent(bench, ("cp-2", 2), LOST)
    bench.cloudpress.end("cp-2", "OK")
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(hours=1)
    await bench.work_for(600)
    assert (await bench.read(rosa)).status == OrderStatus.COMPLETED
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", "suspected_duplicate")


async def test_what_both_were_answered_with_is_not_bought_again_for_the_other(bench: Bench) -> None:
    """A person dismisses what Ben is asked about; whose cp-3 is, which Rosa has, nobody has said."""
    rosa, ben = await sent(bench, ("cp-3", 3), ("cp-3", 3))
    await bench.work_for(300)
    await bench.complete_one_after()
    await bench.say(ben, "dismiss_duplicates", by=BY, shown=await look(bench, ben))
    await bench.work_for(6 * HOUR)
    assert bench.cloudpress.count("place Ben") == 1, await both(bench, rosa, ben)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.work_for(6 * HOUR)
    assert bench.cloudpress.count("place Ben") == 2, "now it is said that none of the two is his"


async def with_a_double(bench: Bench) -> tuple[UUID, str]:
    """Have Rosa and Ben be answered with one, and Rosa's request have landed twice; return hers, and that."""
    rosa, _ben = await sent(bench, ("cp-3", 3), ("cp-3", 3))
    await bench.work_for(300)
    double = bench.cloudpress.land("Rosa", status="RUNNING")
    async with bench.db.write() as tx:
        order = await tx.session.get_one(Order, rosa)
        assert order.suspected_duplicates == ["cp-3"]
        order.suspected_duplicates, order.due_at = ["cp-3", double], tx.now
    await bench.work_for(600)
    return rosa, double


async def test_a_double_beside_is_told_of_and_is_not_dismissed_unseen(bench: Bench) -> None:
    rosa, double = await with_a_double(bench)
    order = await bench.read(rosa)
    assert f"CloudPress also has {double}, which looks like it" in (order.attention_detail or "")
    assert "answered another order here" in (order.attention_detail or "")


@pytest.mark.parametrize("is_sent_twice", [True, False])
async def test_a_double_beside_ends_once_it_is_cancelled(bench: Bench, *, is_sent_twice: bool) -> None:
    rosa, double = await with_a_double(bench)
    if is_sent_twice:
        async with bench.db.write() as tx:
            tx.session.add(
                Placement(order_id=rosa, attempt=2, sent_at=tx.now, outcome="unknown", callback_key_id="key")
            )
    bench.cloudpress.end(double, "CANCELLED")
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert order.suspected_duplicates == ["cp-3"], order.attention_detail
    assert double not in (order.attention_detail or "")


@pytest.mark.parametrize("is_woken", [True, False])
async def test_a_tombstone_asks_nobody_whose_it_is(bench: Bench, *, is_woken: bool) -> None:
    """Its own callback had told, of which nothing is kept."""
    rosa, ben = await sent(bench, ("cp-2", 2), LOST)
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, rosa, 2)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(hours=1)
    await bench.work_for(600)
    assert (await bench.read(rosa)).status == OrderStatus.COMPLETED
    assert await erase_order(bench.db, rosa, by=BY)
    await answered_late(bench, ben, "cp-2")
    if is_woken:
        async with bench.db.write() as tx:
            make_due(tx, await tx.session.get_one(Order, rosa))
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code, order.due_at) == ("completed", None, None)
    assert "cp-2" in ((await bench.read(ben)).attention_detail or ""), await both(bench, rosa, ben)


PAGE = "https://pay.test/2"


def to_be_paid(bench: Bench) -> None:
    bench.cloudpress.tell("cp-2", payment_url=PAGE, status="awaiting_payment")


async def with_an_answer_in_the_midst(bench: Bench, request: str, how: str) -> tuple[UUID, UUID]:
    """Rosa was answered with cp-2, which ends so. While a pass of hers makes a request, so is Ben."""
    cloudpress = bench.cloudpress
    rosa, ben = await sent(bench, ("cp-2", 2), LOST)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(hours=1)
    if how == "paid":
        to_be_paid(bench)
    else:
        cloudpress.end("cp-2", how)
    plain = getattr(cloudpress, request)

    async def asked(*given: Any, **more: Any) -> Any:
        setattr(cloudpress, request, plain)
        await answered_late(bench, ben, "cp-2")
        return await plain(*given, **more)

    setattr(cloudpress, request, asked)
    return rosa, ben


@pytest.mark.parametrize(
    ("request_", "how"),
    [("site", "OK"), ("task", "OK"), ("task", "FAILED"), ("task", "CANCELLED"), ("order", "paid")],
)
async def test_what_comes_in_the_midst_of_a_pass_is_heeded_by_it(
    bench: Bench, request_: str, how: str
) -> None:
    rosa, ben = await with_an_answer_in_the_midst(bench, request_, how)
    await bench.work_for(300)
    order = await bench.read(rosa)
    told = await both(bench, rosa, ben)
    assert (order.finalized_at, order.payment_url, await bench.known_site(rosa)) == (None, None, None), told
    assert "answered another order here" in (order.attention_detail or ""), told


async def test_a_payment_page_of_what_both_were_answered_with_is_shown_to_nobody(bench: Bench) -> None:
    """Rosa's answer is recorded late; before her pass, Ben's POST is answered with the same order."""
    rosa, ben = await sent(bench, LOST, LOST)
    await answered_late(bench, rosa, "cp-2")
    async with bench.db.write() as tx:
        for order_id in (rosa, ben):
            (await tx.session.get_one(Order, order_id)).due_at = tx.now + timedelta(seconds=300)
    plain = bench.cloudpress.place

    async def place(*given: Any, **more: Any) -> Answer[Placed]:
        await plain(*given, **more)
        to_be_paid(bench)
        task = TaskRef(id=2, status="PENDING")
        placed = Placed(order_id="cp-2", task=task, payment_url=PAGE)
        return Answer(placed, b"{}", bench.cloudpress.now)

    bench.cloudpress.place = place  # type: ignore[method-assign]
    third = await bench.order("Third")
    await bench.work()
    assert (await bench.read(third)).payment_url is None, await both(bench, rosa, third)
    bench.cloudpress.place = plain  # type: ignore[method-assign]
    for _ in range(60):
        await bench.work_for(60)
        shown = [(await bench.read(order_id)).payment_url for order_id in (rosa, third)]
        assert shown == [None, None], await both(bench, rosa, third)
    asked = [(await bench.read(order_id)).attention_code for order_id in (rosa, third)]
    assert "suspected_duplicate" in asked, await both(bench, rosa, third)


@pytest.mark.parametrize("is_called_back", [False, True])
@pytest.mark.parametrize("how", ["OK", "FAILED"])
@pytest.mark.parametrize("word", ["fail", "place_again"])
async def test_who_has_ended_is_asked_whatever_became_of_the_other(
    bench: Bench, word: str, how: str, *, is_called_back: bool
) -> None:
    """Ben's order has ended, or was placed again and has that. Then the answer to his first POST comes.

    Whoever was called back for her own has no wrong answer.
    """
    rosa, ben = await sent(bench, ("cp-2", 2), LOST)
    bench.cloudpress.orders_made.pop("cp-3")  # his never landed
    bench.cloudpress.end("cp-2", how)
    if is_called_back:
        await call_back(bench, rosa, 2)
    await bench.work_for(200)
    assert (await bench.read(rosa)).finalized_at is not None
    await bench.say(ben, word, by=BY, shown=await look(bench, ben))
    await bench.work_for(1000)
    assert (await bench.read(ben)).cloudpress_order_id == ("cp-3" if word == "place_again" else None)
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    asked = (await bench.read(rosa)).attention_detail or ""
    assert ("answered another order here" in asked) is not is_called_back, await both(bench, rosa, ben)


@pytest.mark.parametrize("source", ["answer", "lookup"])
async def test_nobody_goes_on_being_sent_to_pay_for_it(bench: Bench, source: str) -> None:
    """Rosa waits for a payment, and is looked at once an hour. Then Ben's POST is answered with the same."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["answer"] = [LOST] if source == "lookup" else []
    rosa = await bench.order("Rosa")
    await bench.work()
    to_be_paid(bench)
    await bench.work_for(25 * HOUR)
    order = await bench.read(rosa)
    assert (order.payment_url, order.cloudpress_order_id_source) == (PAGE, source)
    answers(bench, ("cp-2", 3))
    ben = await bench.order("Ben")
    await bench.work()
    await bench.work_for(600)
    order = await bench.read(rosa)
    assert (order.payment_url, order.attention_code) == (None, "suspected_duplicate"), await both(
        bench, rosa, ben
    )


async def test_who_was_called_back_for_the_own_is_sent_to_pay_on(bench: Bench) -> None:
    """Nor is the order looked at more often for the other's sake."""
    await bench.complete_one_before()
    rosa = await bench.order("Rosa")
    await bench.work()
    to_be_paid(bench)
    await call_back(bench, rosa, 2)
    await bench.work_for(25 * HOUR)
    answers(bench, ("cp-2", 3))
    ben = await bench.order("Ben")
    await bench.work()
    looked = bench.cloudpress.count("task 2")
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert (order.payment_url, order.attention_code) == (PAGE, None), await both(bench, rosa, ben)
    assert bench.cloudpress.count("task 2") - looked <= 5
