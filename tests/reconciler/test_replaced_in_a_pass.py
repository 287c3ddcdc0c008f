"""What a pass finds instead of what an order has is looked at by the next, which knows what is said of it."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import NotFound, NotSent
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from app.reconciler.evidence import OPERATOR
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_anothers_answers import sent
from tests.reconciler.test_answered_with_the_own_task import answered_with_hers
from tests.reconciler.test_asked_to_cancel import GONE
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_had_and_replaced import has_anothers
from tests.reconciler.test_words_about_what_was_replaced import in_the_midst

BY = Actor("operator")


async def answered_to_both(bench: Bench, rosa: UUID, ben: UUID, cloudpress_order_id: str) -> None:
    """Note late answers to both that name one CloudPress order, before either is looked at."""
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(hours=1)
    await answered_late(bench, rosa, cloudpress_order_id)
    await answered_late(bench, ben, cloudpress_order_id)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(seconds=30)


async def bens_own(bench: Bench, status: str) -> tuple[UUID, str]:
    """Return Ben's order, whose answer was lost, and what CloudPress has for it."""
    bench.cloudpress.script["place"] = [LOST]
    ben = await bench.order("Ben")
    await bench.work()
    return ben, bench.cloudpress.land("Ben", status=status)


async def test_what_both_were_answered_with_is_not_handed_out_by_the_pass_that_finds_it(bench: Bench) -> None:
    rosa, _ = await has_anothers(bench, "RUNNING")
    ben, own = await bens_own(bench, "OK")
    await answered_to_both(bench, rosa, ben, own)
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await both(bench, rosa, ben)
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"


async def test_nor_by_the_pass_that_takes_it_up(bench: Bench) -> None:
    rosa, ben = await sent(bench, LOST, LOST)
    bench.cloudpress.end("cp-3", "OK")
    await answered_to_both(bench, rosa, ben, "cp-3")
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await both(bench, rosa, ben)
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"


async def test_nor_is_it_cancelled(bench: Bench) -> None:
    rosa, _ = await has_anothers(bench, "RUNNING")
    ben, own = await bens_own(bench, "RUNNING")
    bench.cloudpress.script["cancel"] = [NotSent("refused", kind="connect")]
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work()
    await answered_to_both(bench, rosa, ben, own)
    await bench.work_for(HOUR)
    status = bench.cloudpress.tasks[int(own.removeprefix("cp-"))].status
    assert status == "RUNNING", await both(bench, rosa, ben)


@pytest.mark.parametrize("is_agreed_to", [True, False])
async def test_what_was_asked_about_what_it_had_is_not_asked_about_what_it_has(
    bench: Bench, *, is_agreed_to: bool
) -> None:
    """Nobody has asked CloudPress to cancel that but by requests that it answered with 404."""
    bench.cloudpress.heeds_cancelling = False
    order_id, _ = await has_anothers(bench, "RUNNING")
    if not is_agreed_to:
        bench.cloudpress.script["cancel"] = [LOST]
    await request_cancel(bench.db, order_id, by=BY)
    await bench.work()
    assert ((await bench.read(order_id)).cancel_accepted_at is not None) == is_agreed_to
    bench.clock.time += timedelta(hours=25)  # so that it is asked again
    own = bench.cloudpress.land("Shop", status="RUNNING")
    for request in ("cancel", f"order {own}", f"task {own.removeprefix('cp-')}"):
        bench.cloudpress.script[request] = [GONE] * 100_000
    await answered_late(bench, order_id, own)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.status) == (own, "provisioning")


async def test_what_is_shown_as_anothers_only_after_the_request_was_not_cancelled(
    bench: Bench,
) -> None:
    """His answer's task is shown only then, and is that of his own: what he has cancelled is hers."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    bench.cloudpress.script["task 3"] = [NotFound(404)]
    await request_cancel(bench.db, ben, by=BY)
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("provisioning", "suspected_duplicate"), await both(
        bench, rosa, ben
    )
    assert order.cancel_accepted_at is None


@pytest.mark.parametrize("is_spoken_of", [True, False])
async def test_what_it_has_found_is_found_again_where_the_order_is_not_what_that_pass_took_it_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, is_spoken_of: bool
) -> None:
    """What it took it for is another's by then, or an operator has said that the order has its own.

    All that was found goes with that, and nobody was told of the double.
    """
    order_id, own = await has_anothers(bench, "RUNNING")
    ben = await bench.order("Ben")
    await bench.work()
    made = bench.cloudpress.land("Shop", status="RUNNING")
    double = bench.cloudpress.land("Shop", status="RUNNING")
    bench.cloudpress.hides = lambda it: it == made
    await bench.work_for(HOUR)

    async def settled() -> None:
        async with bench.db.write() as tx:
            if is_spoken_of:
                (await tx.session.get_one(Order, order_id)).cloudpress_order_id_source = OPERATOR
                return
            his = await tx.session.get_one(Order, ben)
            his.cloudpress_order_id, his.cloudpress_order_id_source = made, "answer"

    await in_the_midst(bench, monkeypatch, order_id, settled)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, order_id)).late_look_at = tx.now
    await answered_late(bench, order_id, made)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == own
    assert double in (order.suspected_duplicates or ()), order.late_look_at
    assert order.late_look_at is None, "once it is told"
