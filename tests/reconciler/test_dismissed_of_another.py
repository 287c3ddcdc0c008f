"""What an answer to another order named, and an operator has dismissed there, may be any order's."""

from datetime import timedelta
from typing import Any

import pytest

from app.db.models import Placement
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.shown import Shown
from app.orders.waking import make_due
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


@pytest.mark.parametrize("named", ["nothing", "answer"])
async def test_what_an_operator_said_is_anothers_is_not_bought_again(bench: Bench, named: str) -> None:
    """Zed's was sent twice. The first answer, which comes late, names Ben's, whose own answer was lost."""
    cloudpress = bench.cloudpress
    zed = await bench.order("zed")
    await bench.work()
    cloudpress.end("cp-1", "OK")
    bench.clock.time += timedelta(seconds=60)
    cloudpress.script["answer"] = [LOST]
    ben = await bench.order("ben")
    await bench.work()
    bench.clock.time += timedelta(seconds=60)
    await bench.order("after")
    await bench.work()
    cloudpress.end("cp-3", "OK")
    # Nobody knows what CloudPress made of Ben's name, so a look-up does not take it.
    cloudpress.tell("cp-2", site=None)
    if named == "answer":
        async with bench.db.write() as tx:
            order = await tx.session.get_one(type(await bench.read(zed)), zed)
            first = await tx.session.get_one(Placement, (zed, 1))
            tx.session.add(
                Placement(
                    order_id=zed,
                    attempt=2,
                    sent_at=tx.now,
                    sent_boot=tx.clock.boot,
                    sent_uptime=tx.began_at_uptime,
                    outcome="placed",
                    cloudpress_order_id="cp-2",
                    callback_key_id=first.callback_key_id,
                )
            )
            told_of: dict[str, Any] = {"attempt": 2, "outcome": "placed", "status": None, "reasons": []}
            record(tx, zed, EventType.PLACEMENT_ENDED, **told_of, cloudpress_order_id="cp-2")
            make_due(tx, order)
        await bench.work()
        assert "cp-2" in ((await bench.read(zed)).attention_detail or ""), await told(bench, zed)
        await bench.say(zed, "dismiss_duplicates", by=BY, shown=Shown(["cp-2"], 0))
    await bench.work_for(2 * HOUR)
    assert cloudpress.count("place ben") == 1, (await told(bench, zed), await told(bench, ben))
