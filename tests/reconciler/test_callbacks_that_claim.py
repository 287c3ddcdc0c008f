"""What an order's own callback leads to is asked about, whoever has it by its name, and though it ended."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Refused, Task
from app.db.models import Order
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.shown import Shown
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_cancelled_in_the_midst import taken_by_name
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


async def both(bench: Bench, rosa: UUID, ben: UUID) -> tuple[Any, ...]:
    return "ROSA", await told(bench, rosa), "BEN", await told(bench, ben)


@pytest.mark.parametrize("word", ["dismiss_duplicates", "fail", "place_again"])
async def test_once_ben_is_settled_rosa_is_not_told_to_cancel_her_own(bench: Bench, word: str) -> None:
    """The cause has gone: nobody is told that she has it twice, and to cancel one."""
    rosa, ben = await taken_by_name(bench)
    await call_back(bench, ben, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).attention_code
    assert "cp-2" in ((await bench.read(ben)).attention_detail or "")
    await bench.say(ben, word, by=BY, shown=Shown(["cp-2"], 1))
    await bench.work_for(2 * HOUR)
    detail = (await bench.read(rosa)).attention_detail or ""
    assert "it is cp-2, and cp-2 looks like it" not in detail, await both(bench, rosa, ben)


async def called_back_before_it_is_listed(bench: Bench) -> tuple[UUID, UUID]:
    """Have Ben's own callback lead to cp-2 (a pass has read it) before Rosa's look-up can take that."""
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
    bench.cloudpress.hides = lambda it: it == "cp-2"  # the list lags behind for half an hour
    await bench.work()
    await bench.work_for(10)
    await call_back(bench, ben, 2)
    await bench.work_for(HOUR)
    assert "cp-2" in ((await bench.read(ben)).attention_detail or ""), await both(bench, rosa, ben)
    return rosa, ben


async def test_what_bens_callback_has_named_is_not_taken_after_a_restoration(bench: Bench) -> None:
    """The task alone tells whose cp-2 is, which lists none, and it is not asked about any more."""
    rosa, ben = await called_back_before_it_is_listed(bench)
    bench.cloudpress.tell("cp-2", tasks=(), status="completed")
    await bench.work_for(HOUR)
    await doubt_unplaced_orders(bench.db)
    bench.cloudpress.tasks[2] = bench.cloudpress.tasks[2].model_copy(update={"status": "OK"})
    bench.cloudpress.hides = lambda _: False
    await bench.work_for(4 * HOUR)
    assert await bench.known_site(rosa) is None, await both(bench, rosa, ben)


async def test_what_bens_callback_has_named_is_not_taken_by_rosas_name(bench: Bench) -> None:
    rosa, ben = await called_back_before_it_is_listed(bench)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.hides = lambda _: False
    taken = []
    for _ in range(240):
        await bench.work_for(60)
        order = await bench.read(rosa)
        if order.status == "completed" and order.attention_code is None:
            taken.append(bench.clock.time)
    assert not taken, (len(taken), await both(bench, rosa, ben))


async def test_bens_callback_names_what_rosa_has_by_its_name_while_he_is_placed(bench: Bench) -> None:
    """Ben's was sent twice: cp-2 came of the first request, which Rosa's has by its name; he holds cp-3."""
    rosa, ben = await taken_by_name(bench)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2", await told(bench, rosa)
    await bench.say(ben, "place_again", by=BY)
    await bench.work_for(300)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-3", await told(bench, ben)
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, ben, 2)
    await bench.work_for(8 * HOUR)
    asked = [it.attention_code for it in (await bench.read(rosa), await bench.read(ben))]
    assert any(asked), await both(bench, rosa, ben)


async def test_a_number_that_cloudpress_gave_before_claims_nothing(bench: Bench) -> None:
    """A task of Rosa's has the number of one of an order that was called back for, and finished."""
    old = await bench.order("old")
    await bench.work()
    await call_back(bench, old, 1)
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    assert (await bench.read(old)).status == "completed"
    bench.cloudpress.script["answer"] = [LOST]
    rosa = await bench.order("rosa")
    await bench.work()
    details = bench.cloudpress.orders_made["cp-2"]
    again = bench.cloudpress.tasks.pop(2).model_copy(update={"id": 1})
    bench.cloudpress.tasks[1] = again
    tasks = tuple(task.model_copy(update={"id": 1}) for task in details.tasks)
    bench.cloudpress.orders_made["cp-2"] = details.model_copy(update={"tasks": tasks})
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.attention_code) == ("cp-2", None), await told(bench, rosa)


async def test_bens_callback_names_what_rosa_has_by_its_name_after_he_was_failed(bench: Bench) -> None:
    """Ben's is failed, as never bought; then his own callback leads to cp-2, which Rosa's has by its name."""
    rosa, ben = await taken_by_name(bench)
    await bench.say(ben, "fail", by=BY)
    await bench.work_for(300)
    await call_back(bench, ben, 2)
    await bench.work_for(60)
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert order.attention_code or await bench.known_site(rosa) is None, await both(bench, rosa, ben)


@pytest.mark.parametrize("seconds", [1, HOUR])
async def test_nobody_is_told_to_cancel_what_rosa_has(bench: Bench, seconds: float) -> None:
    """Whose it is nobody knows: so it is said by each look, not by the first alone."""
    rosa, ben = await taken_by_name(bench)
    await bench.say(ben, "fail", by=BY)
    await bench.work_for(300)
    await call_back(bench, ben, 2)
    await bench.work_for(seconds)
    detail = (await bench.read(ben)).attention_detail or ""
    assert "cp-2" in detail
    assert "cancel it there" not in detail, await both(bench, rosa, ben)


async def test_bens_second_look_tells_nobody_to_cancel_what_rosa_has_before_her_look(bench: Bench) -> None:
    """Once she is asked about it too that says the same; while she goes on, her look may be an hour away."""
    rosa, ben = await taken_by_name(bench)
    await bench.say(ben, "fail", by=BY)
    await bench.work_for(300)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).due_at = tx.now + timedelta(hours=1)
    await call_back(bench, ben, 2)
    await bench.work_for(10)
    assert "cp-2" in ((await bench.read(ben)).attention_detail or "")
    await call_back(bench, ben, 77)  # whatever has it looked at
    await bench.work_for(10)
    assert (await bench.read(rosa)).attention_code is None, "she was not looked at"
    detail = (await bench.read(ben)).attention_detail or ""
    assert "cp-2" in detail
    assert "cancel it there" not in detail, await both(bench, rosa, ben)


@pytest.mark.parametrize("way", ["429", "two"])
async def test_what_bens_callback_claims_is_kept_while_nobody_has_spoken(bench: Bench, way: str) -> None:
    """Rosa's is held, for Ben's callback leads to what she has; then something else is heard of his."""
    rosa, ben = await taken_by_name(bench)
    if way == "two":
        bench.cloudpress.land("else", status="RUNNING")  # cp-3, made outside
        task = bench.cloudpress.tasks[2]
        bench.cloudpress.tasks[2] = task.model_copy(update={"order_ids": ("cp-2", "cp-3")})
    await call_back(bench, ben, 2)
    await bench.work_for(10)
    if way == "429":
        bench.cloudpress.tasks[9] = Task(id=9, status="OK", order_ids=("cp-1",), account_ids=("acct",))
        await call_back(bench, ben, 9)
        bench.cloudpress.script["task 9"] = [Refused(429)] * 3
    await bench.work_for(HOUR)
    before = await both(bench, rosa, ben)
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(3 * HOUR)
    assert await bench.known_site(rosa) is None, (before, await both(bench, rosa, ben))
