"""What an order's own callback has named is replaced by nothing that is named later."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.db.models import Order
from app.orders.resolving import NotResolvableError
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back


async def found_by_look_up(bench: Bench) -> UUID:
    """Have Rosa's answer be lost, and her cp-2, which has the tasks 2 and 20, be found by a look-up."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["answer"] = [LOST]
    rosa = await bench.order("Rosa")
    await bench.work_for(1000)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", "lookup")
    cloudpress.tasks[20] = cloudpress.tasks[2].model_copy(update={"id": 20})  # which its order does not list
    return rosa


async def bens_is_made(bench: Bench) -> UUID:
    """Have Ben's cp-3 be made, without an answer, and without being listed."""
    bench.cloudpress.script["answer"] = [LOST]
    ben = await bench.order("Ben")
    bench.cloudpress.hides = lambda it: it == "cp-3"
    await bench.work()
    return ben


async def end_both(bench: Bench) -> None:
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(6 * HOUR)


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("task_id", [2, 20], ids=["listed", "not listed"])
async def test_what_the_own_callback_has_named_is_not_replaced_by_an_answer(
    bench: Bench, task_id: int, *, is_before: bool
) -> None:
    rosa = await found_by_look_up(bench)
    ben = await bens_is_made(bench)
    await call_back(bench, rosa, task_id)
    if is_before:
        await bench.work_for(300)
    await answered_late(bench, rosa, "cp-3")
    await bench.work_for(60)
    await end_both(bench)
    told = await both(bench, rosa, ben)
    assert await bench.known_site(rosa) != "site-3", told
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.attention_code) == ("cp-2", "suspected_duplicate"), told
    assert order.suspected_duplicates == ["cp-3"]


async def test_nor_is_it_by_a_later_callback_of_its_own(bench: Bench) -> None:
    """Its callbacks contradict each other: a person is asked which one is its own."""
    rosa = await found_by_look_up(bench)
    own = bench.cloudpress.land("Rosa", status="RUNNING")
    await call_back(bench, rosa, 20)
    await bench.work_for(300)
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.suspected_duplicates) == ("cp-2", [own])
    assert order.attention_code == "suspected_duplicate"


async def test_what_no_callback_has_named_is_replaced(bench: Bench) -> None:
    """One that was let in, and names what cannot be read, has named nothing."""
    rosa = await found_by_look_up(bench)
    own = bench.cloudpress.land("Rosa", status="RUNNING")
    await call_back(bench, rosa, 99)
    await bench.work_for(300)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).due_at = tx.now + timedelta(hours=1)
    await answered_late(bench, rosa, own)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).cloudpress_order_id == own


@pytest.mark.parametrize("is_ended", [True, False])
@pytest.mark.parametrize("name", ["Rosa", "Ben"])
async def test_nor_is_it_doubted_for_the_answer_to_another(
    bench: Bench, name: str, *, is_ended: bool
) -> None:
    """Hers was found by its name, and her own callback has named it. Then Ben's late answer does, wrongly."""
    rosa = await found_by_look_up(bench)
    bench.cloudpress.script["answer"] = [LOST]
    bench.clock.time += timedelta(minutes=20)
    ben = await bench.order(name)
    await bench.work()
    if is_ended:
        bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, rosa, 2)
    await bench.work_for(60)
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(3 * HOUR)
    told = await both(bench, rosa, ben)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.attention_code) == ("cp-2", None), told
    with pytest.raises(NotResolvableError):
        await adopt(bench, ben, "cp-2")
    if not is_ended:
        await end_both(bench)
    assert await bench.known_site(rosa) == "site-2", told
    assert (await bench.read(ben)).attention_code, told
