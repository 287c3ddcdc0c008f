"""An order that holds one by its answer is called back for what another has by its name."""

from datetime import timedelta
from typing import Any

import pytest

from app.cloudpress import Placed
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("rosas", ["by name", "by answer"])
async def test_answers_mixed_up_and_the_other_has_it_by_its_name(bench: Bench, rosas: str) -> None:
    """Ben's is answered with Rosa's cp-2. Rosa's has Ben's cp-3; his own callback names that."""
    cloudpress = bench.cloudpress
    await bench.order("before")
    await bench.work()
    cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    plain = cloudpress.place
    cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name

    async def place(site: Any, **more: Any) -> Any:
        await plain(site, **more)
        number = 2 if site.name == "shop" else 3
        [task] = cloudpress.orders_made.get(f"cp-{number}", cloudpress.orders_made["cp-1"]).tasks
        task = task.model_copy(update={"id": number})
        return cloudpress._answer(Placed(order_id=f"cp-{number}", task=task))

    cloudpress.place = place  # type: ignore[method-assign]
    if rosas == "by name":
        cloudpress.script["answer"] = [LOST]
    cloudpress.hides = lambda it: it == "cp-2"
    rosa = await bench.order("shop-2")
    assert await bench.work() == 1
    bench.clock.time += timedelta(seconds=5)
    ben = await bench.order("shop")
    await bench.work()
    cloudpress.hides = lambda _: False
    await bench.work_for(300)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3", await told(bench, rosa)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2", await told(bench, ben)
    cloudpress.end("cp-2", "OK")
    cloudpress.end("cp-3", "OK")
    await call_back(bench, ben, 3)
    await bench.work_for(8 * HOUR)
    b = await bench.read(ben)
    assert b.attention_code is not None, (await told(bench, rosa), await told(bench, ben))
    assert await bench.known_site(ben) is None
