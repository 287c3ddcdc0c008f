"""What an operator says that an order is: it is taken once CloudPress shows it, as CloudPress writes it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import CloudPressError, Refused
from app.db.models import Order
from app.orders.resolving import request_resolution
from app.orders.waking import make_due
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA, lost_and_hidden
from tests.reconciler.test_words import CaseBlind


async def adopt(bench: Bench, order_id: UUID, cloudpress_order_id: str) -> None:
    await request_resolution(
        bench.db, order_id, action="adopt", cloudpress_order_id=cloudpress_order_id, by=ROSA
    )


@pytest.mark.parametrize("failure", [Refused(500), Refused(403), LOST])
async def test_what_cannot_be_read_is_adopted_once_it_can_be(bench: Bench, failure: CloudPressError) -> None:
    bench.use(CaseBlind(bench.clock))
    order_id = await lost_and_hidden(bench)
    bench.cloudpress.script["order"] = [failure] * 5
    await adopt(bench, order_id, "CP-2")
    await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
    assert order.resolution is not None
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", "operator")
    assert order.resolution is None


async def test_while_it_cannot_be_read_no_other_order_takes_it_in_other_letters(bench: Bench) -> None:
    cloudpress = bench.use(CaseBlind(bench.clock))
    for name in ("Before", "Before too"):
        await bench.order(name)
        await bench.work()
        bench.clock.time += timedelta(seconds=30)
    cloudpress.end("cp-1", "OK")
    cloudpress.end("cp-2", "OK")
    await bench.work_for(60)
    cloudpress.script["place"] = [LOST]
    ben = await bench.order()  # another customer's, which never arrives
    await bench.work()
    bench.set(may_place_again=False)
    await bench.work_for(27 * 60)
    cloudpress.script["answer"] = [LOST]
    rosa = await bench.order()  # cp-3
    await bench.work_for(60)
    cloudpress.end("cp-3", "OK")
    cloudpress.script["order"] = [Refused(500)]
    bench.clock.time += timedelta(seconds=1)
    await adopt(bench, rosa, "CP-3")
    for claim in sorted((await bench.reconciler.claim(100)).claims, key=lambda it: it.row.id != rosa):
        await bench.reconciler.work(claim)
    await bench.work_for(2 * HOUR)
    hers, his = await bench.read(rosa), await bench.read(ben)
    assert (hers.cloudpress_order_id, his.cloudpress_order_id) == ("cp-3", None)


@pytest.mark.parametrize("named", ["cp-2", "CP-2"])
async def test_while_it_cannot_be_read_no_other_order_takes_it_by_its_name(bench: Bench, named: str) -> None:
    """The list shows it to another's look-up first, and CloudPress calls it as that one is called."""
    cloudpress = bench.use(CaseBlind(bench.clock))
    await bench.order("before")
    await bench.work()
    cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    cloudpress.script["place"] = [LOST]
    rosas = await bench.order("shop-2")  # it never lands
    await bench.work()
    cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    cloudpress.script["answer"] = [LOST]
    cloudpress.hides = lambda it: it == "cp-2"
    bens = await bench.order("shop")
    await bench.work()
    await bench.work_for(30)
    await adopt(bench, bens, named)  # he has seen it in CloudPress, whose list leaves it out so far
    cloudpress.script["order"] = [Refused(502)]
    await bench.work()
    assert (await bench.read(bens)).resolution is not None
    cloudpress.hides = lambda _it: False
    cloudpress.script["order"] = []
    async with bench.db.write() as tx:
        make_due(tx, await tx.session.get_one(Order, rosas))
    bench.clock.time += timedelta(seconds=0.5)
    await bench.work_for(HOUR)
    assert (await bench.read(rosas)).cloudpress_order_id is None
    assert (await bench.read(bens)).cloudpress_order_id == "cp-2"


async def test_what_cloudpress_does_not_have_is_not_adopted_and_bought_by_nobody(bench: Bench) -> None:
    """It is a slip, and can be put right. He has seen an order, so it is not placed again by itself."""
    order_id = await lost_and_hidden(bench)
    bench.set(may_place_again=True)
    await adopt(bench, order_id, "cp-22")
    await bench.work_for(5 * 60)
    assert (await bench.read(order_id)).resolution is not None, "it may be shown yet"
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id, order.resolution) == ("unconfirmed", None, None)
    assert order.attention_code == "placement_unconfirmed"
    assert [it.data["cloudpress_order_id"] for it in await impossible(bench, order_id)] == ["cp-22"]
    assert bench.cloudpress.count("place Shop") == 1
    await adopt(bench, order_id, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"


async def impossible(bench: Bench, order_id: UUID) -> list[Any]:
    return await bench.events(order_id, "order.resolution_impossible")


async def test_a_404_that_passes_ends_no_word(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    made = bench.cloudpress.orders_made.pop("cp-2")  # one of CloudPress's machines lags
    await adopt(bench, order_id, "cp-2")
    await bench.work_for(60)
    bench.cloudpress.orders_made["cp-2"] = made
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"


async def test_what_another_has_is_not_adopted_and_bought_by_nobody(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    bench.set(may_place_again=True)
    async with bench.db.write() as tx:  # as where the other one got it between the word and the pass
        order = await tx.session.get_one(Order, order_id)
        order.resolution = {"action": "adopt", "cloudpress_order_id": "cp-1", **ROSA.told}
        make_due(tx, order)
    await bench.work_for(3 * GRACE_SECONDS)
    assert len(await impossible(bench, order_id)) == 1
    assert bench.cloudpress.count("place Shop") == 1
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
