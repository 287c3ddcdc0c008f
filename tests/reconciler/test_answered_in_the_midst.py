"""An answer to an order, or to another, comes while a pass looks at what the order has by its name."""

from typing import Any

import pytest

from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_cancelled_in_the_midst import taken_by_name
from tests.reconciler.test_in_the_midst import lost_beside_a_strangers
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("at", ["before", "midst"])
async def test_his_answer_is_committed_before_her_look_completes(bench: Bench, at: str) -> None:
    """Rosa's order has cp-2 by its name. Its answer says that it is Ben's, before she gets a site."""
    rosa, ben = await taken_by_name(bench)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2", await told(bench, rosa)
    bench.cloudpress.end("cp-2", "OK")
    plain, came = bench.cloudpress.site, list[int]()

    async def site(asked: str, **more: Any) -> Any:
        if asked == "site-2" and not came and await bench.known_site(rosa) is None:
            came.append(1)
            await answered_late(bench, ben, "cp-2")
        return await plain(asked, **more)

    if at == "before":
        await answered_late(bench, ben, "cp-2")
    else:
        bench.cloudpress.site = site  # type: ignore[method-assign, assignment]
    await bench.work_for(HOUR)
    assert bool(came) is (at == "midst")
    assert await bench.known_site(rosa) is None, (await told(bench, rosa), await told(bench, ben))


@pytest.mark.parametrize("status", ["OK", "FAILED"])
@pytest.mark.parametrize("at", ["before", "midst"])
async def test_her_own_answer_is_committed_before_the_look_at_a_strangers_ends(
    bench: Bench, at: str, status: str
) -> None:
    """A look-up took a stranger's; what CloudPress answered hers with another replica records late."""
    bench.set(may_place_again=False)
    order_id, strangers = await lost_beside_a_strangers(bench, status="RUNNING")
    await bench.work_for(300)
    assert (await bench.read(order_id)).cloudpress_order_id == strangers
    bench.cloudpress.end(strangers, status)
    bench.cloudpress.end("cp-2", "RUNNING")
    plain, came = bench.cloudpress.order, list[int]()

    async def order(asked: str, **more: Any) -> Any:
        if asked == strangers and not came:
            came.append(1)
            await answered_late(bench, order_id, "cp-2")
        return await plain(asked, **more)

    if at == "before":
        await answered_late(bench, order_id, "cp-2")
    else:
        bench.cloudpress.order = order  # type: ignore[method-assign, assignment]
    await bench.work_for(HOUR)
    order_now = await bench.read(order_id)
    assert order_now.cloudpress_order_id == "cp-2", await told(bench, order_id)
    assert await bench.known_site(order_id) is None
