"""What CloudPress tells now and then is no news: it neither hastens the looks nor changes the words."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, OrderDetails
from app.db.models import Order
from app.orders.callbacks import record_callback
from tests.reconciler.scripted import GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress
from tests.reconciler.test_silence import refreshed

HOURS = 6
# Twelve that are frequent, then each after half as much time again, up to one an hour.
FEW = 50


class Forgetful(ScriptedCloudPress):
    """Shows half of its orders in one minute, and the other half in the next."""

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Show an order, or not."""
        if int(self.now.timestamp() // 60 + int(order_id.removeprefix("cp-"))) % 2:
            self.asked.append("order")
            raise NotFound(404)
        return await super().order(order_id, timeout_seconds=timeout_seconds)


@pytest.fixture
async def forgetful(database_url: str) -> AsyncIterator[Bench]:
    bench = Bench(database_url)
    bench.use(Forgetful(bench.clock))
    yield bench
    await bench.db.dispose()


async def told(bench: Bench, order_id: UUID) -> list[str]:
    """Return what a person was asked about an order, each time that he was."""
    return [it.data["code"] for it in await bench.events(order_id, "order.attention_started")]


async def test_one_that_may_be_either_of_two_is_looked_at_ever_more_rarely(forgetful: Bench) -> None:
    bench = forgetful
    bench.cloudpress.script["place"] = [LOST, LOST]
    orders = [await bench.order(), await bench.order()]
    await bench.work()
    bench.cloudpress.land("Shop")
    await bench.work_for(GRACE_SECONDS)
    asked = bench.cloudpress.count("orders")
    await bench.work_for(HOURS * HOUR)
    codes = {code for order_id in orders for code in await told(bench, order_id)}
    assert codes >= {"placement_ambiguous", "placement_suspected"}, "it was told now so, now otherwise"
    assert bench.cloudpress.count("orders") - asked <= 2 * 2 * FEW, "two orders, two pages each"


async def test_what_is_asked_of_a_person_is_one_text_for_the_same_orders(forgetful: Bench) -> None:
    bench = forgetful
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    for _ in range(2):
        bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b"nothing")
    texts = set()
    for _ in range(20):
        await bench.work_for(GRACE_SECONDS)
        order = await bench.read(order_id)
        if order.attention_code == "placement_suspected":
            texts.add(order.attention_detail)
    assert len(texts) == 1, texts


async def test_another_machine_which_counts_the_grace_anew_asks_on(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(HOURS * HOUR)
    since = (await bench.read(order_id)).attention_since
    assert since
    bench.clock.boot = "another machine"
    bench.set()
    order = await refreshed(bench, order_id)
    assert (order.attention_code, order.attention_since) == ("placement_unconfirmed", since)
    assert len(await told(bench, order_id)) == 1


async def test_until_a_person_is_asked_it_is_looked_for_as_often_as_at_first(bench: Bench) -> None:
    """What had been in the way hid that the grace was over, and another machine counts it anew."""
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(HOURS * HOUR)
    async with bench.db.write() as tx:
        order = await tx.session.get_one(Order, order_id)
        order.attention_code = order.attention_detail = order.attention_since = None
    bench.clock.boot = "another machine"
    bench.set()
    assert (await refreshed(bench, order_id)).attention_code is None
    await bench.work_for(GRACE_SECONDS * 1.2)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
