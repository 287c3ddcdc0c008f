"""A wish to cancel is not carried out on what turns out to be another's while a pass looks."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.events.timeline import Actor
from app.orders.requests import request_cancel
from tests.reconciler.scripted import LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


def while_looking_at(
    bench: Bench, cloudpress_order_id: str, come: Callable[[], Awaitable[None]]
) -> list[int]:
    """Have something come in while an order is asked for the first time from now on."""
    plain, came = bench.cloudpress.order, list[int]()

    async def order(asked: str, **more: Any) -> Any:
        if asked == cloudpress_order_id and not came:
            came.append(1)
            await come()
        return await plain(asked, **more)

    bench.cloudpress.order = order  # type: ignore[method-assign, assignment]
    return came


def cancelled(bench: Bench, order_id: str) -> bool:
    return bench.cloudpress.orders_made[order_id].tasks[0].status == "CANCELLED"


@pytest.mark.parametrize("at", ["before", "midst"])
async def test_her_callback_says_that_it_is_bens_while_her_wish_is_carried_out(bench: Bench, at: str) -> None:
    """Rosa's order holds Ben's cp-3 (answers mixed up). Her client cancels; her callback names cp-2."""
    rosa, ben = await mixed_up(bench)

    async def come() -> None:
        await call_back(bench, rosa, 2)

    if at == "before":
        await come()
    else:
        while_looking_at(bench, "cp-3", come)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(60)
    assert not cancelled(bench, "cp-3"), (await told(bench, rosa), await told(bench, ben))


async def taken_by_name(bench: Bench) -> tuple[UUID, UUID]:
    """Rosa's never landed; her look-up takes cp-2 by its name, which is Ben's: his answer was lost."""
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
    await bench.work()
    await bench.work_for(300)
    return rosa, ben


@pytest.mark.parametrize("says", ["answer", "operator"])
@pytest.mark.parametrize("at", ["before", "midst"])
async def test_his_answer_or_an_operator_says_that_it_is_bens_meanwhile(
    bench: Bench, at: str, says: str
) -> None:
    """Rosa's order has Ben's cp-2 by its name; her client cancels."""
    rosa, ben = await taken_by_name(bench)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2", await told(bench, rosa)

    async def come() -> None:
        await answered_late(bench, ben, "cp-2")
        if says == "operator":
            await adopt(bench, ben, "cp-2")

    if at == "before":
        await come()
    else:
        while_looking_at(bench, "cp-2", come)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(60)
    assert not cancelled(bench, "cp-2"), (await told(bench, rosa), await told(bench, ben))
