"""What one order has by its name may be another's, whose answer was lost as well."""

from datetime import timedelta

import pytest

from app.db.models import Order
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from app.orders.suspects import find_suspects
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_cancelled_in_the_midst import taken_by_name
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("hers_lands", [True, False])
async def test_what_another_has_by_its_name_is_not_bought_again(bench: Bench, *, hers_lands: bool) -> None:
    """Both answers are lost. Rosa's takes Ben's by its name, so nothing at CloudPress seems to be his."""
    cloudpress = bench.cloudpress
    await bench.order("before")
    await bench.work()
    cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    cloudpress.script["answer" if hers_lands else "place"] = [LOST]
    cloudpress.hides = lambda it: it == "cp-2" and hers_lands  # its list lags behind
    rosa = await bench.order("shop-2")
    await bench.work()
    cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name  # names are made unique
    bench.clock.time += timedelta(seconds=5)
    cloudpress.script["answer"] = [LOST]
    ben = await bench.order("shop")
    await bench.work()
    bens = "cp-3" if hers_lands else "cp-2"
    await bench.work_for(300)
    assert (await bench.read(rosa)).cloudpress_order_id == bens, await told(bench, rosa)
    await bench.order("after")
    await bench.work()
    cloudpress.end("cp-4" if hers_lands else "cp-3", "OK")
    await bench.work_for(HOUR)
    if hers_lands:
        await call_back(bench, rosa, 2)
        await bench.work_for(HOUR)
    assert cloudpress.count("place shop") == 1, (await told(bench, rosa), await told(bench, ben))


@pytest.mark.parametrize("learned", [True, False])
async def test_his_callback_names_what_she_has_by_its_name(bench: Bench, *, learned: bool) -> None:
    """Rosa's has cp-2 by its name, and Ben's own callback leads to cp-2, before she is given its site."""
    rosa, ben = await taken_by_name(bench)
    if learned:  # what CloudPress makes of names is seen by now
        other = await bench.order("other")
        await bench.work()
        held = (await bench.read(other)).cloudpress_order_id
        assert held is not None
        bench.cloudpress.end(held, "OK")
        await bench.work_for(300)
    await call_back(bench, ben, 2)
    await bench.work_for(10)
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    rosas = await bench.read(rosa)
    assert rosas.attention_code or await bench.known_site(rosa) is None, (
        await told(bench, rosa),
        await told(bench, ben),
    )


@pytest.mark.parametrize("alike", [True, False])
async def test_what_his_callback_names_is_told_and_can_be_said_to_be_his(
    bench: Bench, *, alike: bool
) -> None:
    """Ben's own callback leads to cp-2, which Rosa's has by its name: an operator says whose it is."""
    rosa, ben = await taken_by_name(bench)
    await call_back(bench, ben, 2)
    await bench.work_for(2 * HOUR)
    for order_id in (rosa, ben):
        assert "cp-2" in ((await bench.read(order_id)).attention_detail or ""), await told(bench, order_id)
    async with bench.db.read() as session:
        suspects = await find_suspects(session, await bench.read(ben))
    assert [it.cloudpress_order_id for it in suspects] == ["cp-2"]
    if not alike:
        async with bench.db.write() as tx:
            (await tx.session.get_one(Order, rosa)).site_name = "Another"
    await adopt(bench, ben, "cp-2")
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).status == "completed"
    assert (await bench.read(rosa)).cloudpress_order_id is None


async def test_nobody_is_told_to_place_again_what_its_client_wants_cancelled(bench: Bench) -> None:
    """That would be refused. An operator may still fail it."""
    rosa, ben = await taken_by_name(bench)
    await call_back(bench, ben, 2)
    await bench.work_for(HOUR)
    asked = (await bench.read(rosa)).attention_detail or ""
    assert "place again, or fail" in asked
    await request_cancel(bench.db, rosa, by=Actor("operator"))
    await bench.work_for(HOUR)
    asked = (await bench.read(rosa)).attention_detail or ""
    assert "wants it cancelled" in asked
    assert "place again, or fail" not in asked
    await bench.say(rosa, "fail", by=Actor("operator"))
    await bench.work_for(HOUR)
    assert "wants it cancelled" not in ((await bench.read(rosa)).attention_detail or "")
