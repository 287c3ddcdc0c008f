"""Who else may be meant by a CloudPress order."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import NotFound, TaskRef
from app.db.models import Callback, Order, Task
from app.orders.dismissing import dismiss_duplicates
from app.orders.names import UNKNOWN_TIDYING
from app.orders.shown import Shown
from app.orders.suspects import find_suspects
from app.orders.waking import make_due
from app.reconciler.look_alikes import has_look_alike
from app.states import OrderStatus, Suspicion
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_foreign_links import change_task
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look


async def is_doubled(bench: Bench, name: str) -> bool:
    """Tell whether an order of a name has a look-alike."""
    async with bench.db.write() as tx:
        [order] = [it for it in await bench.orders() if it.site_name == name and it.status == "pending"]
        return await has_look_alike(tx, order, UNKNOWN_TIDYING)


async def test_a_callback_that_names_anothers_task_leaves_open_what_its_order_is(bench: Bench) -> None:
    by_name, other = await bench.order("Shop"), await bench.order("Other")
    await bench.order("Shop ")
    async with bench.db.write() as tx:
        for order_id, held, source in ((by_name, "cp-1", "lookup"), (other, "cp-2", "answer")):
            order = await tx.session.get_one(Order, order_id)
            order.status, order.cloudpress_order_id = OrderStatus.COMPLETED, held
            order.finalized_at, order.cloudpress_order_id_source = tx.now, source
        tx.session.add(Task(order_id=other, id=7, status="OK"))
    assert not await is_doubled(bench, "Shop ")
    async with bench.db.write() as tx:
        tx.session.add(
            Callback(
                order_id=by_name,
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
        tx.session.add(Task(order_id=by_name, id=7, status="OK"))
    assert await is_doubled(bench, "Shop "), "an answer may have named it, and been another's"
    async with bench.db.write() as tx:
        (await tx.session.get_one(Task, (by_name, 7))).is_own = True
    assert not await is_doubled(bench, "Shop "), "the task is the order's own"


async def wanted_elsewhere(bench: Bench) -> tuple[UUID, str]:
    """Return a lost order, and a double of another one's of the same name, whose customer wants both.

    The attention says: dismiss duplicates.
    """
    await bench.order("Before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(60)
    bench.cloudpress.script["place"] = [None, LOST]
    rosa = await bench.order("Shop")
    await bench.work()
    ben = await bench.order("Shop")  # another customer's, which never arrives
    await bench.work()
    double = bench.cloudpress.land("Shop")  # a gateway has sent Rosa's twice
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, rosa, 2)
    await call_back(bench, rosa, 3)  # her own callback names it
    await bench.work_for(60)
    told = await bench.read(rosa)
    assert told.suspected_duplicates == [double]
    # Ben's, which is sought, may be meant.
    assert "cancel nothing before" in (told.attention_detail or "")
    await dismiss_duplicates(bench.db, rosa, by=ROSA, shown=Shown([double], 2))
    await bench.work_for(2 * HOUR)
    return ben, double


async def test_a_double_that_its_customer_wants_is_not_given_to_a_lost_order_of_the_same_name(
    bench: Bench,
) -> None:
    ben, double = await wanted_elsewhere(bench)
    order = await bench.read(ben)
    found = order.status, order.cloudpress_order_id_source, await bench.known_site(ben)
    assert order.cloudpress_order_id != double, found


async def test_a_double_that_its_customer_wants_is_shown_as_a_suspect_of_a_lost_order_and_no_candidate(
    bench: Bench,
) -> None:
    """What keeps it from being taken is asked under the lock as well; a candidate is told to agree in all."""
    ben, double = await wanted_elsewhere(bench)
    order = await bench.read(ben)
    async with bench.db.read() as session:
        shown = await find_suspects(session, order)
    assert [(it.cloudpress_order_id, it.why) for it in shown] == [(double, Suspicion.SUSPECT)]


async def test_what_is_dismissed_for_another_while_a_pass_looks_is_not_taken(bench: Bench) -> None:
    """A gateway has sent Ann's twice, and she wants both; as that is said, a look-up of Bob's goes on."""
    ann = await bench.order("Shop")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, ann, 1)
    await bench.work_for(60)
    bench.cloudpress.script["place"] = [LOST]
    bob = await bench.order("Shop")
    await bench.work()
    bench.clock.time += timedelta(seconds=1)
    twin = bench.cloudpress.land("Shop")
    await call_back(bench, ann, 2)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, bob)).due_at = tx.now + timedelta(seconds=5)
    await bench.work()
    assert twin in ((await bench.read(ann)).attention_detail or "")
    bench.clock.time += timedelta(seconds=2)
    await bench.complete_one_after(600)
    assert (await bench.read(bob)).cloudpress_order_id is None
    plain = bench.cloudpress.order
    done: list[str] = []

    async def meanwhile(asked: str, **more: Any) -> Any:
        answer = await plain(asked, **more)
        if asked == twin and not done:
            done.append(asked)
            await dismiss_duplicates(bench.db, ann, by=ROSA, shown=await look(bench, ann))
        return answer

    bench.cloudpress.order = meanwhile  # type: ignore[method-assign,assignment]
    async with bench.db.write() as tx:
        make_due(tx, await tx.session.get_one(Order, bob))
        (await tx.session.get_one(Order, ann)).due_at = tx.now + timedelta(hours=1)
    await bench.work()
    assert done
    assert (await bench.read(bob)).cloudpress_order_id != twin


async def looked_up(bench: Bench, *, is_shown: bool = True) -> UUID:
    """Have an order be found by its name as `cp-2`, whose task 2 CloudPress may list and never show."""
    await bench.complete_one_before()
    bench.cloudpress.script["answer"] = [LOST]
    order_id = await bench.order("Shop")
    await bench.work()
    if not is_shown:
        bench.cloudpress.script["task 2"] = [NotFound(404)] * 100_000
    await bench.work_for(1000)
    assert (await bench.read(order_id)).cloudpress_order_id_source == "lookup"
    return order_id


async def is_own(bench: Bench, order_id: UUID) -> bool | None:
    async with bench.db.read() as session:
        task: Task = await session.get_one(Task, (order_id, 2))
        return task.is_own


async def the_next_is_found(bench: Bench, first: UUID) -> None:
    """See that another order of that name, whose answer is lost, is found by it."""
    bench.cloudpress.script["answer"] = [LOST]
    second = await bench.order("Shop")
    await bench.work()
    await bench.work_for(2 * HOUR)
    order = await bench.read(second)
    found = order.cloudpress_order_id, order.attention_code
    assert found == ("cp-3", None), await both(bench, first, second)


@pytest.mark.parametrize("is_early", [True, False])
@pytest.mark.parametrize("is_shown", [True, False])
async def test_a_task_that_is_listed_and_never_shown_is_its_own_once_the_order_has_ended(
    bench: Bench, *, is_shown: bool, is_early: bool
) -> None:
    first = await looked_up(bench, is_shown=is_shown)
    if is_early:
        await call_back(bench, first, 2)
        await bench.work_for(HOUR)
    bench.cloudpress.tell("cp-2", tasks=(TaskRef(id=2, status="OK"),), status="completed")
    if is_shown:
        bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(24 * HOUR)
    if not is_early:
        await call_back(bench, first, 2)
        await bench.work_for(HOUR)
    order = await bench.read(first)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, first, first)
    assert await is_own(bench, first)
    await the_next_is_found(bench, first)


async def test_a_listed_task_that_names_another_order_in_the_end_is_not_its_own(bench: Bench) -> None:
    first = await looked_up(bench, is_shown=False)
    bench.cloudpress.script["task 2"] = []
    change_task(bench, 2, order_ids=("cp-9",), site_ids=())
    bench.cloudpress.tell("cp-2", tasks=(TaskRef(id=2, status="RUNNING"),), status="cancelled")
    await bench.work_for(HOUR)
    assert (await bench.read(first)).status == OrderStatus.CANCELLED
    assert await is_own(bench, first) is None


async def test_what_a_release_before_has_read_of_an_order_that_has_ended_is_its_own(bench: Bench) -> None:
    """It runs beside this one, and does not say whose a task is."""
    first = await looked_up(bench)
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, first, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(first)).status == OrderStatus.COMPLETED
    async with bench.db.write() as tx:
        (await tx.session.get_one(Task, (first, 2))).is_own = None
    await the_next_is_found(bench, first)
