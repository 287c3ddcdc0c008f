"""What is asked in other words, or about another CloudPress order, is told to applications anew."""

from typing import Any

from app.cloudpress import Answer
from app.db.models import Order
from app.events.timeline import Actor
from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_after_a_hand_over import taken_by_its_name
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def test_that_nothing_is_to_be_cancelled_any_more_is_told(bench: Bench) -> None:
    """Applications heard: cancel the one too many. Then its own callback names that one."""
    order_id = await bench.order()
    await bench.work()
    other = bench.cloudpress.land("Shop", status="RUNNING")
    async with bench.db.write() as tx:
        stored = await tx.session.get_one(Order, order_id)
        stored.late_look_at = stored.due_at = tx.now
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert order.suspected_duplicates == [other]
    assert "cancel the one too many" in (order.attention_detail or "")
    assert len(await bench.events(order_id, "order.needs_attention")) == 1
    await call_back(bench, order_id, 2)
    await bench.work_for(4 * HOUR)
    order = await bench.read(order_id)
    assert "cancel nothing before" in (order.attention_detail or ""), order.attention_detail
    events = await bench.events(order_id, "order.needs_attention")
    shown = [(it.shown or {})["attention"]["detail"] for it in events]
    assert any("cancel nothing" in each for each in shown), shown


async def test_a_payment_at_the_same_page_for_another_cloudpress_order_is_told(bench: Bench) -> None:
    rosa, ben = await taken_by_its_name(bench)
    bench.set(may_place_again=False)
    bench.cloudpress.end("cp-2", "RUNNING")
    bench.cloudpress.tell("cp-2", status="awaiting_payment", payment_url="https://pay.test/checkout")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "awaiting_payment"
    assert len(await bench.events(rosa, "order.payment_required")) == 1
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "unconfirmed"
    plain = bench.cloudpress.place

    async def place(*given: Any, **more: Any) -> Any:
        answer = await plain(*given, **more)
        url = "https://pay.test/checkout"
        bench.cloudpress.tell(answer.value.order_id, status="awaiting_payment", payment_url=url)
        return Answer(answer.value.model_copy(update={"payment_url": url}), b"{}", bench.cloudpress.now)

    bench.cloudpress.place = place  # type: ignore[method-assign]
    await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id_source) == ("awaiting_payment", "answer"), (
        order.attention_detail
    )
    assert order.payment_url
    assert len(await bench.events(rosa, "order.payment_required")) == 2
