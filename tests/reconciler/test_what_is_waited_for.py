"""What an order is said to wait for while it may hold another's: nothing is done with that."""

from app.db.models import Order
from app.events.timeline import Actor
from app.orders.reading import OrderView
from app.orders.representation import OrderBody, WaitingBody
from app.orders.requests import request_cancel
from app.states import OrderStatus, Surroundings
from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_answers_outrank_names import mixed_up


def waiting_for(bench: Bench, order: Order) -> WaitingBody:
    around = Surroundings(bench.clock.time, worker_seen_at=bench.clock.time)
    waiting = OrderBody.of(OrderView(order, [], None), around).waiting_for
    assert waiting is not None
    return waiting


async def test_neither_a_payment_nor_a_cancellation_is_waited_for(bench: Bench) -> None:
    """Rosa's was seen to await a payment before it was doubted."""
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.tell("cp-2", payment_url="https://pay.test/bens", status="awaiting_payment")
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).status = OrderStatus.AWAITING_PAYMENT
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.payment_url) == ("awaiting_payment", None)
    assert waiting_for(bench, order).code == "decision"
    await request_cancel(bench.db, rosa, by=Actor("Rosa"))
    await bench.work_for(HOUR)
    waiting = waiting_for(bench, await bench.read(rosa))
    assert (waiting.code, "whose" in waiting.detail) == ("decision", True)
