"""The search after a restoration, where one order is listed and never shown, or a clock was ahead."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from app.cloudpress import Refused, SiteRef
from app.db.models import Orphan
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.restorations import FutureError, remember_restoration
from app.orders.settling_orphans import dismiss_orphan
from app.reconciler import orphan_search
from tests.reconciler.scripted import ACCOUNT, DAY, HOUR, Bench
from tests.reconciler.test_orphans import lose, orphans, search_of
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")
FAILURES = [
    ("none", Refused(402)),
    ("site site-2", Refused(402, ("suspended",), is_own_form=True)),
    ("order cp-2", Refused(403, ("no",), is_own_form=True)),
    ("order cp-2", Refused(410, ("gone",), is_own_form=True)),
    ("order cp-2", Refused(500)),
]
IDS = ["control", "suspended", "forbidden", "gone", "broken"]


async def search_for(bench: Bench, hours: int) -> None:
    search = search_of(bench)
    for _ in range(hours // 10):
        await search.search()
        await bench.work_for(10 * HOUR)


@pytest.mark.parametrize(("asked", "failure"), FAILURES, ids=IDS)
async def test_one_that_is_never_shown_hides_no_other(bench: Bench, asked: str, failure: Exception) -> None:
    """A lost order is listed, and it alone, or its suspended site, cannot be read."""
    await lose(bench, "Lost", "Lost as well")
    bench.cloudpress.tell("cp-2", site=SiteRef(id="site-2", name=None))
    bench.cloudpress.script[asked] = [failure] * 100_000
    await search_for(bench, 50)
    assert sorted(await orphans(bench)) == ["cp-2", "cp-3"]


@pytest.mark.parametrize("asked", ["orders", "order cp-2"])
async def test_the_search_leaves_cloudpress_alone_for_as_long_as_it_asks_for(
    bench: Bench, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lose(bench, "Lost", "Lost as well")
    bench.cloudpress.script[asked] = [Refused(503, retry_after_seconds=3600)]
    search = search_of(bench)
    await search.search()
    lists = bench.cloudpress.count("orders")
    assert lists > 0
    await search.search()
    assert bench.cloudpress.count("orders") == lists
    later = time.monotonic() + 3601
    monkeypatch.setattr(orphan_search, "time", SimpleNamespace(monotonic=lambda: later))
    await search.search()
    assert sorted(await orphans(bench)) == ["cp-2", "cp-3"]


async def test_one_that_fails_now_and_then_is_found_by_its_name(bench: Bench) -> None:
    await lose(bench, "Lost")
    bench.cloudpress.script["order cp-2"] = [Refused(500)] * 2
    await search_for(bench, 50)
    async with bench.db.read() as session:
        found = list(await session.scalars(select(Orphan)))
    assert [(it.cloudpress_order_id, it.site_name) for it in found] == [("cp-2", "Lost")]


@pytest.mark.parametrize(("asked", "failure"), FAILURES, ids=IDS)
async def test_who_dismisses_one_that_is_never_shown_has_orders_sent(
    bench: Bench, asked: str, failure: Exception
) -> None:
    await lose(bench, "Lost")
    bench.cloudpress.tell("cp-2", site=SiteRef(id="site-2", name="Lost" if asked == "none" else None))
    bench.cloudpress.script[asked] = [failure] * 100_000
    order_id = await bench.order("Something quite different")
    await search_for(bench, 50)
    order = await bench.read(order_id)
    if asked != "none":
        assert order.attention_code == "placement_suspected", await told(bench, order_id)
        await dismiss_orphan(bench.db, ACCOUNT, "cp-2", by=BY)
        await search_for(bench, 10)
        await bench.say(order_id, "place_again", by=BY)
        await search_for(bench, 10)
    assert bench.cloudpress.count("place Something quite different") == 1, await told(bench, order_id)


@pytest.mark.parametrize("is_ahead", [False, True])
async def test_a_backup_of_a_machine_whose_clock_was_ahead(bench: Bench, *, is_ahead: bool) -> None:
    """By default something may be missing since the last moment that the backup tells: which is to come."""
    ahead = 3 * DAY if is_ahead else 0
    bench.clock.step(ahead)
    await bench.order("Known before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    await bench.work_for(HOUR)
    lost = bench.cloudpress.land("Lost")
    bench.clock.time += timedelta(hours=1)
    bench.clock.step(-ahead)  # it is restored on another machine
    if is_ahead:
        with pytest.raises(FutureError, match="say when the backup was made"):
            await remember_restoration(bench.db)
        await remember_restoration(bench.db, since=bench.clock.time - timedelta(hours=2))
    else:
        await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    repeat = await bench.order("Lost")
    await search_of(bench).search()
    found = await orphans(bench)
    await bench.work_for(10 * 900)
    assert (found, bench.cloudpress.count("place Lost")) == ([lost], 0), await told(bench, repeat)


@pytest.mark.parametrize("lives_seconds", [10 * HOUR, HOUR / 2])
async def test_a_search_ends_however_shortly_its_processes_live(bench: Bench, lives_seconds: float) -> None:
    await lose(bench, "Lost")
    bench.cloudpress.script["order cp-2"] = [Refused(500)] * 100_000
    passed = 0.0
    while passed < DAY:
        search = search_of(bench)
        for _ in range(5):
            await search.search()
            await bench.work_for(lives_seconds / 5)
        passed += lives_seconds
    assert await orphans(bench) == ["cp-2"]


async def test_nor_does_it_end_at_once_where_processes_begin_one_after_the_other(bench: Bench) -> None:
    await lose(bench, "Lost")
    bench.cloudpress.script["order cp-2"] = [Refused(500)] * 100_000
    for _ in range(20):
        await search_of(bench).search()
        await bench.work_for(60)
    assert await orphans(bench) == []
