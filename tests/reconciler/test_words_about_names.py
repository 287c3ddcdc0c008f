"""What operators can say of what another order has by its name."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.events.timeline import Actor
from app.orders.requests import request_cancel
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt, mixed_up
from tests.reconciler.test_cancelled_in_the_midst import taken_by_name, while_looking_at
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def both(bench: Bench, rosa: UUID, ben: UUID) -> tuple[Any, ...]:
    return "ROSA", await told(bench, rosa), "BEN", await told(bench, ben)


async def named_first(bench: Bench) -> tuple[UUID, UUID]:
    """Ben's callback has led to cp-2, of which a person is asked, and Rosa's look-up may take it by name."""
    await bench.order("before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.cloudpress.script["place"] = [LOST]
    rosa = await bench.order("shop-2")
    await bench.work()
    bench.cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    bench.clock.time += timedelta(seconds=5)
    bench.cloudpress.script["answer"] = [LOST]
    ben = await bench.order("shop")
    bench.cloudpress.hides = lambda it: it == "cp-2"  # the list lags behind
    await bench.work()
    await bench.work_for(10)
    await call_back(bench, ben, 2)
    await bench.work_for(HOUR)
    assert "cp-2" in ((await bench.read(ben)).attention_detail or ""), await both(bench, rosa, ben)
    bench.cloudpress.hides = lambda _: False
    await bench.work_for(2 * HOUR)
    return rosa, ben


async def test_an_operator_can_say_that_what_bens_callback_named_is_bens(bench: Bench) -> None:
    rosa, ben = await named_first(bench)
    assert (await bench.read(rosa)).cloudpress_order_id is None, "a callback outranks a name"
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"


async def test_an_operator_who_was_asked_because_of_a_name_can_say_whose_it_is(bench: Bench) -> None:
    """He finds out that Rosa's cp-2 is Ben's, and says so."""
    rosa, ben = await taken_by_name(bench)
    await bench.work_for(HOUR)
    assert "by its name alone" in ((await bench.read(ben)).attention_detail or ""), await both(
        bench, rosa, ben
    )
    await adopt(bench, ben, "cp-2")


async def test_what_a_list_leaves_out_now_and_rosa_has_by_its_name_is_not_bought_again(bench: Bench) -> None:
    cloudpress = bench.cloudpress
    rosa, ben = await taken_by_name(bench)
    cloudpress.hides = lambda it: it == "cp-2"
    await bench.order("after")
    await bench.work()
    cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    assert cloudpress.count("place shop") == 1, await both(bench, rosa, ben)


@pytest.mark.parametrize("word", ["dismiss_duplicates", "place_again", "fail"])
async def test_each_word_about_rosa_ends_and_ben_can_go_on(bench: Bench, word: str) -> None:
    rosa, ben = await taken_by_name(bench)
    await call_back(bench, ben, 2)
    await bench.work_for(HOUR)
    await bench.say(rosa, word, by=BY)
    await bench.work_for(2 * HOUR)
    if word != "dismiss_duplicates":
        await adopt(bench, ben, "cp-2")
        bench.cloudpress.end("cp-2", "OK")
        await bench.work_for(HOUR)
        assert (await bench.read(ben)).status == "completed", await both(bench, rosa, ben)
    else:
        bench.cloudpress.end("cp-2", "OK")
        await bench.work_for(HOUR)
        assert (await bench.read(rosa)).status == "completed", await both(bench, rosa, ben)
        assert (await bench.read(rosa)).attention_code is None, await both(bench, rosa, ben)


async def test_what_bens_callback_named_is_not_cancelled_by_rosas_client(bench: Bench) -> None:
    rosa, ben = await named_first(bench)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(HOUR)
    shown = bench.cloudpress.orders_made["cp-2"].tasks[0].status
    assert shown != "CANCELLED", await both(bench, rosa, ben)


async def test_a_word_that_it_is_hers_outranks_a_pass_that_has_found_another_one(bench: Bench) -> None:
    """A person is asked whose cp-2 is. Her callback names cp-3, and he answers while a pass looks at that."""
    rosa, _ = await mixed_up(bench)
    await bench.work_for(60)
    assert (await bench.read(rosa)).suspected_duplicates == ["cp-2"]
    other = bench.cloudpress.land("shop-2", status="RUNNING")
    await call_back(bench, rosa, int(other.removeprefix("cp-")))

    async def says_that_it_is_hers() -> None:
        await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))

    came = while_looking_at(bench, other, says_that_it_is_hers)
    await bench.work()
    assert came
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2"
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.suspected_duplicates) == ("cp-2", [other]), "he is asked of that"
