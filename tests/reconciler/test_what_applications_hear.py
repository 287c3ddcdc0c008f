"""Applications hear what they have to know of an order, and not the same again and again."""

from uuid import UUID

import pytest

from app.cloudpress import Answer, OrderDetails, Refused
from app.orders.callbacks import record_callback
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress


async def test_where_to_pay_is_told_once_it_is_known(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.tell("cp-1", odd_payment_url="/checkout/1", asks_for_payment=True)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("awaiting_payment", "payment_url_unusable")
    bench.cloudpress.tell("cp-1", odd_payment_url=None, payment_url="https://pay.example/1")
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("awaiting_payment", None)
    told = await bench.events(order_id, "order.payment_required")
    assert [(event.shown or {})["payment_url"] for event in told] == [None, "https://pay.example/1"]


async def waiting_for_a_day(bench: Bench) -> UUID:
    """Have an order wait for its payment for a day, looked at once an hour but for the first looks."""
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(DAY)
    assert bench.cloudpress.count("order") <= 2 * 24 + 10
    return order_id


class Sessions(ScriptedCloudPress):
    """Makes an address of its own for each look at what is to be paid."""

    sessions = 0

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        self.sessions += 1
        self.tell(order_id, payment_url=f"https://pay.example/s/{self.sessions}", asks_for_payment=True)
        return await super().order(order_id, timeout_seconds=timeout_seconds)


async def test_an_address_of_its_own_for_each_look_hastens_nothing(bench: Bench) -> None:
    cloudpress = bench.use(Sessions(bench.clock))
    order_id = await waiting_for_a_day(bench)
    assert (await bench.read(order_id)).payment_url == f"https://pay.example/s/{cloudpress.sessions}"


async def test_another_double_is_told_beside_one_that_was(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    for task_id in (2, 3):
        bench.cloudpress.land("Shop", status="RUNNING")
        await record_callback(bench.db, order_id, f'{{"task_id": {task_id}}}'.encode())
        await bench.work_for(HOUR)
        assert len(await bench.events(order_id, "order.needs_attention")) == task_id - 1
    assert (await bench.read(order_id)).suspected_duplicates == ["cp-2", "cp-3"]


@pytest.mark.parametrize("retry_after_seconds", [1.0, 120.0])
async def test_an_order_that_is_held_off_for_long_asks_no_person_between_two_looks(
    bench: Bench, retry_after_seconds: float
) -> None:
    busy = Refused(503, ("maintenance",), retry_after_seconds, is_own_form=True)
    bench.cloudpress.script["place"] = [None, LOST, None] + [busy] * 5000
    order_id = await bench.order_among_others()
    await bench.work_for(GRACE_SECONDS * 1.2)
    sent = bench.cloudpress.count("place")
    await bench.work_for(2 * HOUR)
    assert await bench.events(order_id, "order.needs_attention") == []
    # It is tried ever more seldom, although it is looked for in between.
    assert 5 < bench.cloudpress.count("place") - sent < 50


class OddNowAndThen(ScriptedCloudPress):
    """Shows now where a payment is to be made, and now what is no address."""

    looks = 0

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        self.looks += 1
        is_odd = self.looks % 2 == 0
        self.tell(
            order_id,
            payment_url=None if is_odd else "https://pay.example/1",
            odd_payment_url="/checkout" if is_odd else None,
            asks_for_payment=True,
        )
        return await super().order(order_id, timeout_seconds=timeout_seconds)


async def test_an_address_that_comes_and_goes_is_told_once(bench: Bench) -> None:
    bench.use(OddNowAndThen(bench.clock))
    order_id = await waiting_for_a_day(bench)
    assert len(await bench.events(order_id, "order.payment_required")) <= 2


async def test_an_order_that_is_refused_is_told_once(bench: Bench) -> None:
    refused = Refused(403, ("no",), None, is_own_form=True)
    bench.cloudpress.script["place"] = [None, LOST, None] + [refused] * 5000
    order_id = await bench.order_among_others()
    await bench.work_for(GRACE_SECONDS * 1.2 + DAY / 2)
    told = await bench.events(order_id, "order.needs_attention")
    assert [(event.shown or {})["attention"]["code"] for event in told] == ["credentials_refused"]
