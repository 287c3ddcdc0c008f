"""What the own callbacks name is heeded, whatever of it cannot be read, and whichever of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from app.cloudpress import Answer, BadAnswer, NotFound, Refused
from app.db.models import Callback
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.requests import request_cancel
from app.orders.shown import Shown
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_answers_outrank_names import mixed_up as taken_for_rosas
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_in_the_midst import lost_beside_a_strangers
from tests.reconciler.test_mixed_up_answers import answers_swapped, call_back, mixed_up
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")
ODD = BadAnswer("odd", kind="bad_answer")
FAILURES = [None, Refused(500), LOST, NotFound(404), Refused(429, (), 60.0), ODD]
IDS = ["none", "500", "lost", "404", "429", "garbled"]


async def mixed_up_late(bench: Bench) -> UUID:
    """Rosa's cp-2 was answered late with Ben's cp-3; Ben's answer is not read yet (he is not held)."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["answer"] = [LOST, LOST]
    rosa = await bench.order("Rosa")
    await bench.order("Ben")
    cloudpress.hides = lambda _it: True
    await bench.work()
    cloudpress.end("cp-2", "OK")
    cloudpress.end("cp-3", "OK")
    return rosa


@pytest.mark.parametrize("failing", [None, Refused(500), NotFound(404)], ids=["ok", "500", "404"])
async def test_late_answer(bench: Bench, failing: Exception | None) -> None:
    """Her callback came before the answer that is another's: nothing is concluded by that."""
    rosa = await mixed_up_late(bench)
    if failing:
        bench.cloudpress.script["task 2"] = [failing]
    await call_back(bench, rosa, 2)
    await answered_late(bench, rosa, "cp-3")
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) != "site-3", await told(bench, rosa)


async def overruled(bench: Bench, rosa: UUID) -> None:
    """An operator has overruled a callback of hers; its task is never readable."""
    await call_back(bench, rosa, 90)
    async with bench.db.write() as tx:
        await tx.session.execute(
            update(Callback).where(Callback.order_id == rosa).values(overruled_at=tx.now)
        )
    bench.cloudpress.script["task 90"] = [Refused(500)] * 5000


@pytest.mark.parametrize("with_overruled", [False, True])
async def test_overruled_unread_hides_the_speaking_one(bench: Bench, *, with_overruled: bool) -> None:
    """One that an operator has overruled, and that cannot be read, hides no other."""
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    if with_overruled:
        await overruled(bench, rosa)
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("with_overruled", [False, True])
async def test_nor_a_double_of_an_order_that_has_ended(bench: Bench, *, with_overruled: bool) -> None:
    """Which is told, as it would be without."""
    await bench.complete_one_before()
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    if with_overruled:
        await overruled(bench, rosa)
    await bench.work_for(2 * HOUR)
    assert (await bench.read(rosa)).status == "completed"
    bench.cloudpress.land("Rosa")
    bench.cloudpress.tell("cp-3", created_at=bench.cloudpress.orders_made["cp-2"].created_at)
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert order.suspected_duplicates == ["cp-3"], (await told(bench, rosa), order.due_at)


@pytest.mark.parametrize("failure", FAILURES[:4], ids=IDS[:4])
async def test_one_unreadable_beside_the_one_that_tells(bench: Bench, failure: Exception | None) -> None:
    """One names her order, the task of the other is never readable."""
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    if failure is not None:
        bench.cloudpress.script["task 90"] = [failure] * 5000
        await call_back(bench, rosa, 90)
    await call_back(bench, rosa, 2)
    await bench.work_for(3 * HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("failure", [None, Refused(500)], ids=["none", "500"])
async def test_one_unreadable_beside_the_one_that_tells_and_a_wish(
    bench: Bench, failure: Exception | None
) -> None:
    """She wants hers cancelled, and what she holds is his."""
    rosa, _ben = await mixed_up(bench)
    if failure is not None:
        bench.cloudpress.script["task 90"] = [failure] * 5000
        await call_back(bench, rosa, 90)
    await call_back(bench, rosa, 2)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(3 * HOUR)
    assert bench.cloudpress.count("cancel") == 0, await told(bench, rosa)


async def sent_twice_and_mixed_up(bench: Bench) -> UUID:
    """Have Rosa's order, which was sent again by a word, hold Ben's `cp-3`, and his hold hers."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["place"] = [LOST]
    rosa = await bench.order("Rosa")
    await bench.work()
    await bench.work_for(2 * GRACE_SECONDS)
    with answers_swapped(bench):
        await bench.say(rosa, "place_again", by=BY)
        await bench.work_for(GRACE_SECONDS)
        ben = await bench.order("Ben")
        await bench.work()
    held = [(await bench.read(order_id)).cloudpress_order_id for order_id in (rosa, ben)]
    assert held == ["cp-3", "cp-2"]
    return rosa


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
async def test_site_of_what_the_callback_names_fails_once(bench: Bench, failure: Exception | None) -> None:
    """The site that would name her order cannot be read, once."""
    rosa = await sent_twice_and_mixed_up(bench)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    for order in ("cp-2", "cp-3"):
        site = bench.cloudpress.orders_made[order].site
        assert site is not None
        bench.cloudpress.tell(order, site=site.model_copy(update={"name": None}))
    if failure is not None:
        bench.cloudpress.script["site"] = [failure]
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("empty", [False, True])
async def test_task_that_shows_its_order_late(bench: Bench, *, empty: bool) -> None:
    """The task is shown without its order at first."""
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    if empty:
        plain, asked = bench.cloudpress.task, list[int]()

        async def task(task_id: int, **more: Any) -> Any:
            answer = await plain(task_id, **more)
            if task_id == 2 and not asked:
                asked.append(1)
                return Answer(answer.value.model_copy(update={"order_ids": ()}), b"{}", answer.date)
            return answer

        bench.cloudpress.task = task  # type: ignore[method-assign]
    await call_back(bench, rosa, 2)
    await bench.work_for(2 * HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("unread", [False, True])
async def test_held_back_though_its_own_was_named(bench: Bench, *, unread: bool) -> None:
    """Where its own callback has named what it holds, another number keeps nobody waiting."""
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    if unread:
        await call_back(bench, rosa, 90)
    await call_back(bench, rosa, 1)
    await bench.work_for(300)
    assert (await bench.read(rosa)).status == "completed", await told(bench, rosa)


@pytest.mark.parametrize("overruled", [False, True])
async def test_double_named_by_callback_after_place_again(bench: Bench, *, overruled: bool) -> None:
    """A callback whose task is never readable was overruled; the next one names the first attempt."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before()
    cloudpress.script["answer"] = [LOST]
    cloudpress.hides = lambda it: it == "cp-2"
    rosa = await bench.order("Rosa")
    await bench.work()
    cloudpress.script["task 90"] = [Refused(500)] * 5000
    if overruled:
        await call_back(bench, rosa, 90)
    await bench.work_for(2 * GRACE_SECONDS)
    await bench.say(rosa, "place_again", by=BY, shown=Shown((), int(overruled)))
    for _ in range(200):
        if (await bench.read(rosa)).cloudpress_order_id is not None:
            break
        bench.clock.time += timedelta(seconds=10)
        await bench.work()
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "completed", await told(bench, rosa)
    cloudpress.end("cp-2", "OK")
    await call_back(bench, rosa, 2)
    await bench.skim(3 * DAY)
    order = await bench.read(rosa)
    assert order.suspected_duplicates == ["cp-2"], (await told(bench, rosa), order.due_at)


@pytest.mark.parametrize("once_more", [False, True])
@pytest.mark.parametrize("stranger", [False, True])
async def test_handed_over(bench: Bench, *, once_more: bool, stranger: bool) -> None:
    """What was given up of her callback before the hand-over is asked about anew after it."""
    rosa, ben = await taken_for_rosas(bench)
    cloudpress = bench.cloudpress
    made_at = cloudpress.orders_made["cp-2"].created_at
    hers = cloudpress.land("shop-2")
    cloudpress.tell(hers, created_at=made_at)
    cloudpress.hides = lambda it: it == hers
    cloudpress.script["task 3"] = [NotFound(404)] * 5000
    await call_back(bench, rosa, 3)
    await bench.skim(2 * DAY)
    cloudpress.script["task 3"] = [NotFound(404)] if once_more else []
    if stranger:
        other = cloudpress.land("shop-2")
        cloudpress.tell(other, created_at=made_at)
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    await bench.skim(2 * DAY)
    order = await bench.read(rosa)
    assert order.cloudpress_order_id == "cp-3", await told(bench, rosa)


@pytest.mark.parametrize("also", [(), ("cp-gone",)])
async def test_task_that_names_a_gone_order_too(bench: Bench, also: tuple[str, ...]) -> None:
    """The task of its callback names an order beside its own that is gone."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda it: it == "cp-2"
    task = bench.cloudpress.tasks[2]
    bench.cloudpress.tasks[2] = task.model_copy(update={"order_ids": (*also, "cp-2")})
    await call_back(bench, order_id, 2)
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == "cp-2", await told(bench, order_id)


@pytest.mark.parametrize("called_back", [False, True])
async def test_refused_token_is_told(bench: Bench, *, called_back: bool) -> None:
    """The token is revoked: that is told at once, also where a callback has come."""
    rosa = await bench.order("Rosa")
    await bench.work()
    for request in ("order", "task", "site", "orders"):
        bench.cloudpress.script[request] = [Refused(401, ("no",), is_own_form=True)] * 5000
    if called_back:
        await call_back(bench, rosa, 90)
    await bench.work_for(500)
    assert (await bench.read(rosa)).attention_code == "credentials_refused", await told(bench, rosa)


@pytest.mark.parametrize("overruled", [False, True])
async def test_a_new_body_of_an_overruled_task(bench: Bench, *, overruled: bool) -> None:
    """What was met with for the one that was overruled says nothing of a new one."""
    rosa, _ben = await mixed_up(bench)
    if overruled:
        bench.cloudpress.script["task 2"] = [NotFound(404)] * 5000
        await record_callback(bench.db, rosa, b'{"timestamp": 1, "task": {"id": 2}}')
        await bench.work()
        async with bench.db.write() as tx:
            await tx.session.execute(
                update(Callback).where(Callback.order_id == rosa).values(overruled_at=tx.now)
            )
        await bench.work_for(20 * HOUR)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    bench.cloudpress.script["task 2"] = [NotFound(404)]
    await record_callback(bench.db, rosa, b'{"timestamp": 2, "task": {"id": 2}}')
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("failure", FAILURES[:4], ids=IDS[:4])
async def test_site_of_what_the_callback_names_fails_beside_a_look_up(
    bench: Bench, failure: Exception | None
) -> None:
    """A look-up took a stranger's of the same name; the site of her own cannot be read, once."""
    cloudpress = bench.cloudpress
    order_id, strangers = await lost_beside_a_strangers(bench, status="RUNNING")
    await bench.work_for(300)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == (strangers, "lookup")
    cloudpress.end("cp-2", "OK")
    cloudpress.end(strangers, "OK")
    for it in ("cp-2", strangers):
        site = cloudpress.orders_made[it].site
        assert site is not None
        cloudpress.tell(it, site=site.model_copy(update={"name": None}))
    if failure is not None:
        cloudpress.script["site"] = [failure]
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    assert await bench.known_site(order_id) == "site-2", await told(bench, order_id)
