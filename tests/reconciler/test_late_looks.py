"""The look hours later for what a late request has made."""

from uuid import UUID

from app.cloudpress import Answer, OrderDetails, Refused
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.requests import request_resolution
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress

BY = Actor("operator")


async def sent_twice(bench: Bench) -> UUID:
    """Have an order sent, beside one that goes well, and again by an operator's word; return its id."""
    await bench.order("Before")
    await bench.work()
    order_id = await bench.order()
    await bench.work_for(GRACE_SECONDS * 1.5)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(GRACE_SECONDS / 2)
    assert bench.cloudpress.count("place Shop") == 2
    return order_id


async def test_it_does_not_go_on_with_a_look_up_from_before(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST, LOST]
    order_id = await sent_twice(bench)
    # The first page is read, which shows nothing of it, and the next one fails for as long as it is sought.
    bench.cloudpress.script["orders"] = [None, *[Refused(500)] * 50]
    await bench.work_for(GRACE_SECONDS / 2)
    first = bench.cloudpress.land("Shop")
    await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id=first, by=BY)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    bench.cloudpress.script["orders"] = []
    second = bench.cloudpress.land("Shop")
    await bench.work_for(6 * HOUR)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == [second]
    assert order.attention_code == "suspected_duplicate"


class Failing(ScriptedCloudPress):
    """Fails to show one order."""

    failing = ""

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        if order_id == self.failing:
            raise Refused(500)
        return await super().order(order_id, timeout_seconds=timeout_seconds)


async def test_it_sees_past_a_double_that_cannot_be_shown(bench: Bench) -> None:
    failing = bench.use(Failing(bench.clock))
    failing.script["place"] = [None, LOST, None]
    order_id = await sent_twice(bench)
    bench.cloudpress.end("cp-2", "OK")
    double = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, f'{{"task_id": {double.removeprefix("cp-")}}}'.encode())
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [double]
    failing.failing = double
    late = bench.cloudpress.land("Shop")
    await bench.work_for(DAY)
    assert (await bench.read(order_id)).suspected_duplicates == sorted([double, late])
