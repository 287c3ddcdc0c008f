"""Who else may be meant by a CloudPress order."""

from app.db.models import Callback, Order, Task
from app.orders.names import UNKNOWN_TIDYING
from app.reconciler.look_alikes import has_look_alike
from app.states import OrderStatus
from tests.reconciler.scripted import Bench


async def is_doubled(bench: Bench, name: str) -> bool:
    """Tell whether an order of a name has a look-alike."""
    async with bench.db.write() as tx:
        [order] = [it for it in await bench.orders() if it.site_name == name and it.status == "pending"]
        return await has_look_alike(tx, order, UNKNOWN_TIDYING)


async def test_a_callback_that_names_anothers_task_leaves_open_what_its_order_is(bench: Bench) -> None:
    looked_up, other = await bench.order("Shop"), await bench.order("Other")
    await bench.order("Shop ")
    async with bench.db.write() as tx:
        for order_id, held, source in ((looked_up, "cp-1", "lookup"), (other, "cp-2", "answer")):
            order = await tx.session.get_one(Order, order_id)
            order.status, order.cloudpress_order_id = OrderStatus.COMPLETED, held
            order.finalized_at, order.cloudpress_order_id_source = tx.now, source
        tx.session.add(Task(order_id=other, id=7, status="OK"))
    assert not await is_doubled(bench, "Shop ")
    async with bench.db.write() as tx:
        tx.session.add(
            Callback(
                order_id=looked_up,
                body=b"{}",
                body_sha256="0",
                task_id=7,
                count=1,
                first_received_at=tx.now,
                last_received_at=tx.now,
            )
        )
    assert await is_doubled(bench, "Shop "), "nobody has asked about the task that its callback names"
    async with bench.db.write() as tx:
        tx.session.add(Task(order_id=looked_up, id=7, status="OK"))
    assert not await is_doubled(bench, "Shop "), "the task is the order's own"
