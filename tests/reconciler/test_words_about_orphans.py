"""The later of two words counts where it is about an orphan that an order was to adopt."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.restorations import remember_restoration
from app.orders.settling_orphans import adopt_orphan, dismiss_orphan
from tests.reconciler.scripted import ACCOUNT, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_resolvable import MANY
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


async def restored(bench: Bench) -> tuple[UUID, str]:
    """Have Rosa's order be sought in a restored database, and Carl's be an orphan there."""
    await bench.order("Before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [LOST]
    rosa = await bench.order("Shop")  # it never lands
    await bench.work()
    bench.clock.time += timedelta(seconds=60)
    since = bench.clock.time - timedelta(seconds=30)
    carls = bench.cloudpress.land("Carl", status="RUNNING")
    bench.clock.time += timedelta(seconds=240)
    await remember_restoration(bench.db, since=since)
    await doubt_unplaced_orders(bench.db)
    await search_of(bench).search()
    return rosa, carls


@pytest.mark.parametrize("word", ["adopt", "dismiss"])
async def test_the_later_word_counts_also_where_it_is_about_an_orphan(bench: Bench, word: str) -> None:
    """A slip took it for Rosa's; while that waits he says that it is an order of its own, or none of ours."""
    rosa, carls = await restored(bench)
    bench.cloudpress.script["order"] = [Refused(500)] * MANY
    await adopt(bench, rosa, carls)
    await bench.work_for(60)
    made = None
    if word == "adopt":
        made = (await adopt_orphan(bench.db, ACCOUNT, carls, by=BY)).id
    else:
        await dismiss_orphan(bench.db, ACCOUNT, carls, by=BY)
    bench.cloudpress.script.clear()
    async with bench.db.write() as tx:  # which of the two is due first is left to chance
        (await tx.session.get_one(Order, rosa)).due_at = tx.now
        if made is not None:
            (await tx.session.get_one(Order, made)).due_at = tx.now + timedelta(seconds=60)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).cloudpress_order_id != carls, await told(bench, rosa)
