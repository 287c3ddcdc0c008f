"""An order that loses what it was taken for, by an operator's word, is free of it and looked for anew."""

import pytest

from app.events.timeline import Actor
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt, mixed_up
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def test_what_was_suspected_beside_it_may_be_its_own(bench: Bench) -> None:
    """Rosa's request lands late; her callback names what it made, whose site is not named yet."""
    rosa, ben = await mixed_up(bench)
    hers = bench.cloudpress.land("shop-2")
    linked = bench.cloudpress.orders_made[hers].site
    bench.cloudpress.tell(hers, site=None)
    await call_back(bench, rosa, int(hers.removeprefix("cp-")))
    await bench.work_for(60)
    assert hers in ((await bench.read(rosa)).suspected_duplicates or [])
    await adopt(bench, ben, "cp-2")
    await bench.work_for(60)
    assert (await bench.read(rosa)).suspected_duplicates is None, "nobody is told to cancel it"
    bench.cloudpress.tell(hers, site=linked)
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.suspected_duplicates, order.attention_code) == (hers, None, None)


async def test_it_does_not_take_back_what_its_own_answer_named_too(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench)
    await answered_late(bench, rosa, "cp-2")
    await bench.work_for(60)
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    assert (await bench.read(rosa)).cloudpress_order_id != "cp-2"


async def test_nor_what_its_own_callback_named_too(bench: Bench) -> None:
    """No pass has read what it named when the operator speaks: else that is not handed over."""
    rosa, ben = await mixed_up(bench)
    bench.cloudpress.tasks[20] = bench.cloudpress.tasks[2].model_copy(update={"id": 20})
    await call_back(bench, rosa, 20)
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    assert (await bench.read(rosa)).cloudpress_order_id != "cp-2"


@pytest.mark.parametrize("word", ["place_again", "fail"])
@pytest.mark.parametrize("is_given_up", [True, False])
async def test_it_is_freed_also_where_the_other_is_not_sought_any_more(
    bench: Bench, word: str, *, is_given_up: bool
) -> None:
    """Ben's was given up, or he has the other one of two: what Rosa holds is his all the same."""
    rosa, ben = await mixed_up(bench)
    if is_given_up:
        await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    else:
        await adopt(bench, ben, bench.cloudpress.land("shop"))
    await bench.work_for(DAY)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("provisioning", "suspected_duplicate")
    bench.cloudpress.script["place"] = [LOST]
    await bench.say(rosa, word, by=BY, shown=await look(bench, rosa))
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert order.cloudpress_order_id is None
    assert order.status == ("failed" if word == "fail" else "unconfirmed")
    assert await bench.known_tasks(rosa) == []
