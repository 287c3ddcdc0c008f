"""Nobody is told to cancel as one too many what may be another customer's order."""

from uuid import UUID

import pytest

from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_anothers_answers import answers, end
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back

BY = Actor("operator")
ONE_TOO_MANY = "cancel the one too many"


async def sought(bench: Bench, hers: str = "Shop", his: str = "Shop") -> tuple[UUID, UUID]:
    """Have Rosa's cp-2 and Ben's cp-3 be made, without an answer to either, and be looked for."""
    await bench.complete_one_before()
    answers(bench, LOST, LOST)
    rosa, ben = await bench.order(hers), await bench.order(his)
    await bench.work()
    await bench.work_for(1800)
    return rosa, ben


async def told_to_cancel(bench: Bench, order_id: UUID) -> list[str]:
    """Return what applications were ever told of an order by which a person would cancel one of two."""
    events = await bench.events(order_id, "order.needs_attention")
    details = [((it.shown or {}).get("attention") or {}).get("detail", "") for it in events]
    return [it for it in details if ONE_TOO_MANY in it]


async def is_asked_whose_it_is(bench: Bench, rosa: UUID, ben: UUID, named: str) -> None:
    told = await both(bench, rosa, ben)
    order = await bench.read(rosa)
    assert named in (order.suspected_duplicates or []), told
    assert "cancel nothing before" in (order.attention_detail or ""), told
    assert await told_to_cancel(bench, rosa) == [], told


async def test_what_may_be_that_of_one_of_the_same_name_is_not_to_be_cancelled(bench: Bench) -> None:
    """CloudPress does nothing wrong. Once his own callback has come, nobody is asked any more."""
    rosa, ben = await sought(bench)
    await call_back(bench, rosa, 2)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(8 * HOUR)
    await is_asked_whose_it_is(bench, rosa, ben, "cp-3")
    await call_back(bench, ben, 3)
    await bench.work_for(2 * HOUR)
    orders = await bench.read(rosa), await bench.read(ben)
    assert [(it.status, it.attention_code) for it in orders] == [("completed", None)] * 2


async def test_nor_what_his_own_callback_names_while_he_is_sought(bench: Bench) -> None:
    """CloudPress makes names unique, so that his own agrees with no name of his."""
    bench.cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    rosa, ben = await sought(bench, "shop-2", "shop")
    await call_back(bench, ben, 3)
    await call_back(bench, rosa, 2)
    await bench.work_for(8 * HOUR)
    await is_asked_whose_it_is(bench, rosa, ben, "cp-3")


@pytest.mark.parametrize("his_first", [True, False])
async def test_nor_what_his_own_callback_names_while_he_holds_a_strangers(
    bench: Bench, *, his_first: bool
) -> None:
    await bench.complete_one_before()
    stranger = bench.cloudpress.land("Stranger", status="RUNNING")
    answers(bench, LOST, (stranger, 4))
    rosa, ben = await bench.order("Shop"), await bench.order("Shop")
    await bench.work()
    await bench.work_for(1800)
    for order_id, task in sorted({rosa: 3, ben: 4}.items(), key=lambda it: it[0] == ben, reverse=his_first):
        await call_back(bench, order_id, task)
        await bench.work_for(60)
    await bench.work_for(8 * HOUR)
    await is_asked_whose_it_is(bench, rosa, ben, "cp-4")


async def test_nor_what_both_their_callbacks_name(bench: Bench) -> None:
    """Hers was sent once, and she is found by the first of her callbacks: no look has seen the other."""
    rosa, ben = await sought(bench)
    site = bench.cloudpress.orders_made["cp-3"].site
    bench.cloudpress.tell("cp-3", site=None)
    await call_back(bench, rosa, 3)
    await call_back(bench, rosa, 2)
    await bench.work_for(60)
    bench.cloudpress.tell("cp-3", site=site)
    await bench.work_for(HOUR)
    await is_asked_whose_it_is(bench, rosa, ben, "cp-3")


async def test_of_one_that_is_sought_whatever_it_is_called_that_counts_until_it_is_found(
    bench: Bench,
) -> None:
    """Hers was sent twice. Of Ben's, of another name, a person is asked about her double too, by then."""
    rosa, ben = await sought(bench, his="Bakery")
    double = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(HOUR)
    assert double in ((await bench.read(ben)).attention_detail or "")
    await call_back(bench, rosa, 2)
    await bench.work_for(8 * HOUR)
    await is_asked_whose_it_is(bench, rosa, ben, double)
    await call_back(bench, ben, 3)
    await bench.work_for(2 * HOUR)
    detail = (await bench.read(rosa)).attention_detail or ""
    assert ONE_TOO_MANY in detail, await both(bench, rosa, ben)
    assert double in detail


async def test_what_is_wanted_elsewhere_is_not_to_be_cancelled(bench: Bench) -> None:
    """Ben, who has cp-3, wants the second one of his as well; hers is called the same."""
    rosa, ben = await sought(bench)
    second = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(HOUR)
    await call_back(bench, ben, 3)
    await call_back(bench, ben, 4)
    await bench.work_for(60)
    if (await bench.read(ben)).cloudpress_order_id != "cp-3":
        second = "cp-3"
    await dismiss_duplicates(bench.db, ben, by=BY)
    await adopt(bench, rosa, "cp-2")
    await bench.work_for(8 * HOUR)
    assert second in ((await bench.read(ben)).settled_duplicates or []), await both(bench, rosa, ben)
    await call_back(bench, rosa, int(second.removeprefix("cp-")))
    await bench.work_for(HOUR)
    await is_asked_whose_it_is(bench, rosa, ben, second)
