"""What comes in, or is said, while a pass looks is heeded before it concludes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import NotFound, Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.claims import claimed_by_others
from app.reconciler import judging
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


async def put_aside(bench: Bench, order_id: UUID) -> None:
    """Have no pass come to another order, which would ask about the same task, for some hours."""
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, order_id)).due_at = tx.now + timedelta(days=9)


async def test_what_an_operator_gives_to_another_in_the_midst_of_a_look_is_no_defect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up took cp-4; her callback names cp-2, which an operator has Bea's adopt at that moment.

    It is the moment after her pass has read who has what: no request to CloudPress comes after that.
    """
    cloudpress = bench.cloudpress
    bench.set(may_place_again=False)
    ann, strangers = await lost_beside_a_strangers(bench, status="RUNNING")
    await bench.work_for(300)
    assert (await bench.read(ann)).cloudpress_order_id == strangers
    cloudpress.script["place"] = [LOST]
    bea = await bench.order("Bea")
    await bench.work()
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(bea)).status == "unconfirmed"
    said: list[int] = []

    async def claimed(session: AsyncSession, order: Order, **more: Any) -> set[str]:
        found = await claimed_by_others(session, order, **more)
        if order.id == ann and not said:
            said.append(1)
            await adopt(bench, bea, "cp-2")
            await bench.work()
        return found

    monkeypatch.setattr(judging, "claimed_by_others", claimed)
    await call_back(bench, ann, 2)
    await bench.work_for(HOUR)
    assert said
    assert (await bench.read(bea)).cloudpress_order_id == "cp-2", await told(bench, bea)
    started = [it.data["code"] for it in await bench.events(ann, "order.attention_started")]
    assert "pass_broken" not in started, (started, await told(bench, ann))


@pytest.mark.parametrize("seconds", [60, 20 * 60, 2 * DAY])
async def test_two_failures_between_which_no_worker_ran(bench: Bench, seconds: float) -> None:
    """Rosa holds Ben's; her callback's task fails once, nobody works for a while, and it fails once more."""
    rosa, ben = await mixed_up(bench)
    await put_aside(bench, ben)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    bench.cloudpress.script["task 2"] = [Refused(500), Refused(500)]
    await call_back(bench, rosa, 2)
    await bench.work()
    bench.clock.time += timedelta(seconds=seconds)
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


async def lost_beside_a_strangers(bench: Bench, *, status: str = "OK") -> tuple[UUID, str]:
    """Have a lost order be cp-2, which the list hides; a stranger's of its name and age has a status."""
    cloudpress = bench.cloudpress
    cloudpress.script["answer"] = [None, LOST]
    cloudpress.hides = lambda it: it == "cp-2"
    order_id = await bench.order_among_others()
    made_at = cloudpress.orders_made["cp-2"].created_at
    strangers = cloudpress.land("Shop", status=status)
    cloudpress.tell(strangers, created_at=made_at)
    return order_id, strangers


@pytest.mark.parametrize("midst", [False, True])
@pytest.mark.parametrize("news", ["answer", "callback"])
async def test_no_name_outranks_what_comes_in_in_the_midst_of_a_look_up(
    bench: Bench, *, news: str, midst: bool
) -> None:
    """Its own answer, or callback, is committed before a stranger's finished one is taken by name."""
    order_id, strangers = await lost_beside_a_strangers(bench)
    cloudpress = bench.cloudpress
    number = strangers.removeprefix("cp-")
    if news == "callback":  # which CloudPress calls back before it links a site
        cloudpress.tell("cp-2", site=None)
        cloudpress.tasks[2] = cloudpress.tasks[2].model_copy(update={"site_ids": ()})
    plain, came = cloudpress.site, list[int]()

    async def come() -> None:
        came.append(1)
        if news == "answer":
            await answered_late(bench, order_id, "cp-2")
        else:
            await call_back(bench, order_id, 2)

    async def site(asked: str, **more: Any) -> Any:
        if asked == f"site-{number}" and midst and not came:
            await come()
        return await plain(asked, **more)

    cloudpress.site = site  # type: ignore[method-assign, assignment]
    if not midst:
        await come()
    await bench.work_for(HOUR)
    assert await bench.known_site(order_id) != f"site-{number}", (came, await told(bench, order_id))


async def test_a_retry_after_is_no_grace(bench: Bench) -> None:
    """The same where CloudPress asks to come again in half an hour (429), and one request fails then."""
    rosa, ben = await mixed_up(bench)
    await put_aside(bench, ben)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    bench.cloudpress.script["task 2"] = [Refused(429, (), 1800.0), Refused(500)]
    await call_back(bench, rosa, 2)
    await bench.work_for(2 * HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
@pytest.mark.parametrize("midst", [False, True])
async def test_a_callback_in_the_midst_of_the_look_that_ends_it(
    bench: Bench, status: str, *, midst: bool
) -> None:
    """Ben's, which Rosa's holds, has ended; her callback is committed while the pass looks at it."""
    rosa, _ben = await mixed_up(bench)
    cloudpress = bench.cloudpress
    cloudpress.end("cp-2", "OK")
    cloudpress.end("cp-3", status)
    called, plain = list[int](), cloudpress.order

    async def order(asked: str, **more: Any) -> Any:
        if asked == "cp-3" and midst and not called:
            called.append(1)
            await call_back(bench, rosa, 2)
        return await plain(asked, **more)

    cloudpress.order = order  # type: ignore[method-assign, assignment]
    if not midst:
        await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "provisioning", await told(bench, rosa)


@pytest.mark.parametrize("at", ["before", "order", "site"])
async def test_a_callback_in_the_midst_of_the_look_that_completes(bench: Bench, at: str) -> None:
    """Her callback is committed before the look, or while it goes on: nothing is concluded without it."""
    rosa, _ben = await mixed_up(bench)
    cloudpress = bench.cloudpress
    cloudpress.end("cp-2", "OK")
    cloudpress.end("cp-3", "OK")
    called = list[int]()

    async def order(asked: str, **more: Any) -> Any:
        if asked == "cp-3" and at == "order" and not called:
            called.append(1)
            await call_back(bench, rosa, 2)
        return await plain_order(asked, **more)

    async def site(asked: str, **more: Any) -> Any:
        if asked == "site-3" and at == "site" and not called:
            called.append(1)
            await call_back(bench, rosa, 2)
        return await plain_site(asked, **more)

    plain_order, plain_site = cloudpress.order, cloudpress.site
    cloudpress.order, cloudpress.site = order, site  # type: ignore[method-assign, assignment]
    if at == "before":
        await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


async def test_nor_is_it_completed_while_a_word_to_fail_it_waits(bench: Bench) -> None:
    """Ben's was not shown for days, an operator fails hers for that, and her callback comes in the midst."""
    rosa, ben = await mixed_up(bench)
    cloudpress = bench.cloudpress
    for request in ("order", "task", "site"):
        cloudpress.script[request] = [NotFound(404)] * 50000
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).attention_code == "not_found"
    cloudpress.script.clear()
    await put_aside(bench, ben)
    cloudpress.end("cp-2", "OK")
    cloudpress.end("cp-3", "OK")
    await bench.say(rosa, "fail", by=BY)
    called, plain = list[int](), cloudpress.order

    async def order(asked: str, **more: Any) -> Any:
        if asked == "cp-3" and not called:
            called.append(1)
            await call_back(bench, rosa, 2)
        return await plain(asked, **more)

    cloudpress.order = order  # type: ignore[method-assign, assignment]
    await bench.work_for(HOUR)
    assert called
    assert await bench.known_site(rosa) is None, await told(bench, rosa)
