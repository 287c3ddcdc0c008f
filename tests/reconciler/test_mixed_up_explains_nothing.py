"""What an order holds of which a person is asked whose it is explains no other order's absence."""

from datetime import timedelta
from typing import Any

from app.cloudpress import Placed, TaskRef
from app.events.timeline import Actor
from app.orders.shown import Shown
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


async def zed_is_failed_as_mixed_up(bench: Bench) -> tuple[Any, Any]:
    """Ben's answer is lost (cp-2). Zed's is answered with it; his own callback names cp-3."""
    cloudpress = bench.cloudpress
    await bench.order("before")
    await bench.work()
    cloudpress.end("cp-1", "OK")
    bench.clock.time += timedelta(seconds=60)
    cloudpress.script["answer"] = [LOST]
    ben = await bench.order("ben")
    await bench.work()
    plain = cloudpress.place

    async def place(site: Any, **more: Any) -> Any:
        answer = await plain(site, **more)
        anothers = Placed(order_id="cp-2", task=TaskRef(id=2, status="RUNNING"))
        return cloudpress._answer(anothers) if site.name == "zed" else answer

    cloudpress.place = place  # type: ignore[method-assign]
    zed = await bench.order("zed")
    await bench.work()
    await call_back(bench, zed, 3)
    bench.clock.time += timedelta(seconds=60)
    await bench.order("after")
    await bench.work()
    cloudpress.end("cp-4", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(zed)).cloudpress_order_id == "cp-2", await told(bench, zed)
    assert "mixed up" in ((await bench.read(zed)).attention_detail or ""), await told(bench, zed)
    await bench.say(zed, "fail", by=BY)
    await bench.work_for(HOUR)
    assert (await bench.read(zed)).status == "failed", await told(bench, zed)
    return zed, ben


async def test_what_zed_was_failed_with_is_not_bought_again_for_ben(bench: Bench) -> None:
    zed, ben = await zed_is_failed_as_mixed_up(bench)
    assert "cp-3" in ((await bench.read(ben)).attention_detail or ""), await told(bench, ben)
    await bench.say(ben, "dismiss_duplicates", by=BY, shown=Shown(["cp-3"], 0))
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place ben") == 1, (await told(bench, zed), await told(bench, ben))
