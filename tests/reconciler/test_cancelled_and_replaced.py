"""A yes to cancelling is about the CloudPress order that was asked about, and about none that replaces it."""

from uuid import UUID

from app.cloudpress import Answer
from app.orders.requests import request_cancel
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress
from tests.reconciler.test_attacks import ROSA, answered_late


class Asked(ScriptedCloudPress):
    """Notes which orders it is asked to cancel."""

    cancels: tuple[str, ...] = ()

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        self.cancels = (*self.cancels, order_id)
        return await super().cancel(order_id, timeout_seconds=timeout_seconds)


async def replaced_after_a_yes(bench: Bench) -> tuple[Asked, UUID]:
    """Have a look-up take a twin for the order, and CloudPress agree to cancel that; it takes its time."""
    cloudpress = bench.use(Asked(bench.clock))
    cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    cloudpress.hides = lambda it: it == "cp-2"
    twin = cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(60)
    assert (await bench.read(order_id)).cloudpress_order_id == twin
    cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=ROSA)
    await bench.work_for(60)
    assert cloudpress.cancels == (twin,)
    return cloudpress, order_id


async def test_a_yes_about_what_a_look_up_took_is_none_about_the_own_one(bench: Bench) -> None:
    cloudpress, order_id = await replaced_after_a_yes(bench)
    cloudpress.heeds_cancelling = True
    await answered_late(bench, order_id, "cp-2")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == "cp-2"
    assert cloudpress.cancels[-1] == "cp-2"
    assert order.status == "cancelled"


async def test_the_own_one_is_not_taken_for_cancelled_since_another_was_agreed_to_be(bench: Bench) -> None:
    cloudpress, order_id = await replaced_after_a_yes(bench)
    made = cloudpress.orders_made.pop("cp-2"), cloudpress.tasks.pop(2)  # it is not shown for a while
    await answered_late(bench, order_id, "cp-2")
    await bench.work_for(2 * GRACE_SECONDS)
    cloudpress.orders_made["cp-2"], cloudpress.tasks[2] = made
    cloudpress.end("cp-2", "OK")
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    told = order.status, order.cloudpress_order_id, order.attention_code, cloudpress.cancels
    assert order.status != "cancelled" or order.attention_code is not None, told
