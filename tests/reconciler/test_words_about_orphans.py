"""The later of two words counts where it is about an orphan that an order was to adopt."""

from datetime import timedelta

import pytest

from app.cloudpress import Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.settling_orphans import adopt_orphan, dismiss_orphan
from tests.reconciler.scripted import ACCOUNT, HOUR, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_resolvable import MANY
from tests.reconciler.test_unseen_news import told
from tests.reconciler.test_words_that_wait import backed_up, restore

BY = Actor("operator")


@pytest.mark.parametrize("word", ["adopt", "dismiss"])
async def test_the_later_word_counts_also_where_it_is_about_an_orphan(bench: Bench, word: str) -> None:
    """A slip took it for Rosa's; while that waits he says that it is an order of its own, or none of ours."""
    rosa, carls, since = await backed_up(bench, "Carl")
    await restore(bench, since)
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
