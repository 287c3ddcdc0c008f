"""What CloudPress answers with in other letters than it shows is the same order: ids are UUIDs."""

from uuid import UUID

import pytest

from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt, mixed_up, note_answer
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_words import CaseBlind

BY = Actor("operator")


async def found(bench: Bench, first: str) -> UUID:
    """Have an order's answer be lost, and its cp-2 be found by its callback or by its name."""
    bench.use(CaseBlind(bench.clock))
    await bench.complete_one_before()
    bench.cloudpress.script["answer"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    if first == "callback":
        await call_back(bench, order_id, 2)
    await bench.work_for(300)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", first)
    return order_id


@pytest.mark.parametrize("first", ["callback", "lookup"])
async def test_a_late_answer_that_names_what_is_held_tells_of_no_double(bench: Bench, first: str) -> None:
    order_id = await found(bench, first)
    await answered_late(bench, order_id, "CP-2")
    await bench.work_for(8 * HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == (None, None), order.attention_detail


async def test_what_is_suspected_is_not_suspected_twice(bench: Bench) -> None:
    order_id = await found(bench, "callback")
    bench.cloudpress.land("Shop", status="RUNNING")
    await call_back(bench, order_id, 3)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == ["cp-3"]
    await answered_late(bench, order_id, "CP-3")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == ["cp-3"]


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_was_dismissed_is_told_anew_only_where_the_answer_came_later(
    bench: Bench, *, is_first: bool
) -> None:
    order_id = await found(bench, "callback")
    bench.cloudpress.land("Shop", status="RUNNING")
    await call_back(bench, order_id, 3)
    await bench.work_for(HOUR)
    if is_first:
        await answered_late(bench, order_id, "CP-3")
        await bench.work_for(HOUR)
    await dismiss_duplicates(bench.db, order_id, by=BY)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code is None
    if not is_first:
        await answered_late(bench, order_id, "CP-3")
        await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == (None if is_first else ["cp-3"])


async def test_what_an_answer_named_so_is_handed_over(bench: Bench) -> None:
    """A look-up took it for an order of a name that nothing but the answer has to do with."""
    bench.use(CaseBlind(bench.clock))
    rosa, ben = await mixed_up(bench)
    await note_answer(bench, ben, "CP-2")
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    assert (await bench.read(rosa)).cloudpress_order_id != "cp-2"
