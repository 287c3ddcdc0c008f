"""What an operator says is one order is taken for no other by its name, also once his word has ended."""

from datetime import timedelta
from uuid import UUID

from app.cloudpress import NotFound
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.restorations import remember_restoration
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt, hers_never_lands
from tests.reconciler.test_orphans import search_of

BY = Actor("operator")


async def promised(bench: Bench) -> tuple[UUID, UUID]:
    """Have an operator say that cp-2, called as Rosa's, is Ben's, while CloudPress does not show it."""
    rosa = await hers_never_lands(bench)
    bench.cloudpress.script["answer"] = [LOST]
    bench.cloudpress.hides = lambda it: it == "cp-2"
    bench.clock.time += timedelta(seconds=30)
    ben = await bench.order("shop")
    await bench.work()
    bench.set(may_place_again=False)
    await bench.order("after")
    await bench.work()
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(60)
    bench.cloudpress.script["order"] = [NotFound(404)] * 8
    await adopt(bench, ben, "cp-2")
    return rosa, ben


async def shown_again(bench: Bench, rosa: UUID, ben: UUID) -> None:
    bench.cloudpress.hides = lambda _it: False
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    told = [it.data for it in await bench.events(ben, "order.resolution_impossible")]
    assert order.cloudpress_order_id != "cp-2", (order.cloudpress_order_id_source, told)


async def test_what_is_promised_is_not_taken_by_name_because_the_database_was_restored(bench: Bench) -> None:
    """The word is in the backup; `presshook after-restore` drops it, and tells nobody."""
    rosa, ben = await promised(bench)
    await bench.work_for(10)
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    await search_of(bench).search()
    await shown_again(bench, rosa, ben)


async def test_what_is_promised_is_not_taken_by_name_because_a_clock_was_put_forward(bench: Bench) -> None:
    """The word is to be tried for ten minutes; the clock steps, and it ends with the first 404."""
    rosa, ben = await promised(bench)
    bench.clock.step(HOUR)
    await shown_again(bench, rosa, ben)
