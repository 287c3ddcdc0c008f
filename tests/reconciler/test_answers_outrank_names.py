"""What CloudPress answered an order with is no other's, whose name it may tell.

"shop" is taken at CloudPress, which makes names unique: a second one is called "shop-2", as another order is.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from app.db.models import Order, Placement
from app.events.timeline import Actor
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def mixed_up(bench: Bench) -> tuple[UUID, UUID]:
    """Have the list give Rosa's order, by its name, what CloudPress's own answer says is Ben's: cp-2."""
    await bench.order("before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.cloudpress.script["place"] = [LOST]
    rosa = await bench.order("shop-2")  # it never lands
    await bench.work()
    bench.cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    plain = bench.cloudpress.place

    async def slowly(*args: Any, **more: Any) -> Any:
        """Ben's is made, and before the answer is read, a look-up of Rosa's reads the list."""
        bench.cloudpress.place = plain  # type: ignore[method-assign]
        answer = await plain(*args, **more)
        bench.clock.time += timedelta(seconds=5)
        await bench.work()
        return answer

    bench.clock.time += timedelta(seconds=60)
    ben = await bench.order("shop")
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).due_at = tx.now + timedelta(seconds=3)
    bench.cloudpress.place = slowly  # type: ignore[method-assign]
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    return rosa, ben


async def test_an_answer_outranks_the_look_up_of_another(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench)
    assert bench.cloudpress.count("place shop") == 1
    assert await bench.known_site(rosa) is None
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"
    assert (await bench.read(ben)).attention_code == "placement_suspected"


async def test_whose_it_is_an_operator_says(bench: Bench) -> None:
    """Of what he said is the one's, the other is told no more."""
    rosa, ben = await mixed_up(bench)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.say(ben, "place_again", by=BY, shown=await look(bench, ben))
    await bench.work_for(HOUR)
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) == "site-2"
    order = await bench.read(ben)
    assert (order.status, order.cloudpress_order_id, order.attention_code) == ("completed", "cp-3", None)


async def test_what_an_answer_named_is_not_looked_up_by_another(bench: Bench) -> None:
    """Ben's answer is recorded late, and before his pass comes, Rosa's look-up finds what it names."""

    await bench.order("before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.cloudpress.script["place"] = [LOST]
    rosa = await bench.order("shop-2")
    await bench.work()
    bench.cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    bench.cloudpress.script["answer"] = [LOST]
    bench.cloudpress.hides = lambda it: it == "cp-2"
    bench.clock.time += timedelta(seconds=30)
    ben = await bench.order("shop")
    await bench.work()
    async with bench.db.write() as tx:
        placement = await tx.session.get_one(Placement, (ben, 1))
        placement.outcome, placement.cloudpress_order_id = "placed", "cp-2"
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(seconds=120)
        (await tx.session.get_one(Order, rosa)).due_at = tx.now
    bench.cloudpress.hides = lambda _it: False
    bench.cloudpress.end("cp-2", "OK")
    await bench.work()
    bench.clock.time += timedelta(seconds=60)
    await bench.order("after")
    await bench.work_for(60)
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(2 * HOUR)
    told = [
        (o.site_name, o.status, o.cloudpress_order_id, o.cloudpress_order_id_source, o.attention_code)
        for o in await bench.orders()
    ]
    assert (await bench.known_site(rosa), bench.cloudpress.count("place shop")) == (None, 1), told
    assert "cp-2" not in ((await bench.read(rosa)).attention_detail or "")
