"""What an operator has said, while it waits to be done: what comes in between, and what he says next."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.dismissing import dismiss_duplicates
from app.orders.restorations import remember_restoration
from app.orders.settling_orphans import adopt_orphan
from tests.reconciler.scripted import ACCOUNT, DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_dismissed_and_named import (
    dismiss_while_a_task_is_read,
)
from tests.reconciler.test_given_up import outlives_one_failure, refused_and_to_fail, stuck, unanswered
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_resolvable import MANY
from tests.reconciler.test_unseen_news import suspected, told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def is_not_failed_unheard(bench: Bench, order_id: UUID) -> None:
    """Have all be answered again: what CloudPress has finished has not failed without anybody being told."""
    bench.cloudpress.script.clear()
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) != ("failed", None), "CloudPress has finished it"


async def test_a_word_to_fail_waits_where_the_token_is_away_and_he_was_asked_about_something_else(
    bench: Bench,
) -> None:
    order_id = await stuck(bench, unanswered)
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-1", "OK")
    accounts = set(bench.accounts)
    bench.accounts.clear()
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await bench.work_for(60)
    bench.accounts.update(accounts)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "completed", (order.status, order.error_code)


async def test_a_callback_between_two_words_to_fail_is_not_overruled(bench: Bench) -> None:
    order_id = await stuck(bench, unanswered)
    bench.cloudpress.end("cp-1", "OK")
    await bench.say(order_id, "fail", by=BY)
    bench.clock.time += timedelta(seconds=1)
    await call_back(bench, order_id, 1)
    bench.clock.time += timedelta(seconds=1)
    await bench.say(order_id, "fail", by=BY)
    await bench.work_for(HOUR)
    await is_not_failed_unheard(bench, order_id)


async def test_a_callback_that_nobody_was_shown_is_not_overruled_by_a_word_to_fail(bench: Bench) -> None:
    order_id = await stuck(bench, unanswered)
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 1)
    bench.clock.time += timedelta(seconds=1)
    await bench.say(order_id, "fail", by=BY)
    await bench.work_for(HOUR)
    await is_not_failed_unheard(bench, order_id)


async def test_what_is_dismissed_while_a_word_to_fail_waits_is_not_taken(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", "lookup")
    plain = bench.cloudpress.order
    answers: list[Exception] = [NotFound(404)]

    async def away(asked: str, **more: Any) -> Any:
        if asked == "cp-2":
            raise answers[0]
        return await plain(asked, **more)

    bench.cloudpress.order = away  # type: ignore[assignment,method-assign]
    bench.cloudpress.script["task 2"] = [NotFound(404)] * MANY
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_found"
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    answers[0] = Refused(500)
    double = bench.cloudpress.land("Shop", status="RUNNING")
    bench.cloudpress.tell(double, created_at=order.created_at + timedelta(seconds=30))
    async with bench.db.write() as tx:
        stored = await tx.session.get_one(Order, order_id)
        stored.late_look_at = stored.due_at = tx.now
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert (order.suspected_duplicates, order.resolution is None) == ([double], False), order.attention_detail
    await call_back(bench, order_id, int(double.removeprefix("cp-")))
    shown = await look(bench, order_id)
    await dismiss_while_a_task_is_read(bench, order_id, shown, HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != double, order.settled_duplicates


async def test_where_no_worker_ran_for_a_day_a_word_fails_nothing_by_one_failure(bench: Bench) -> None:
    order_id = await refused_and_to_fail(bench)
    bench.clock.time += timedelta(days=1)
    await outlives_one_failure(bench, order_id, Refused(502), "order")


async def test_a_word_from_a_backup_fails_nothing_by_one_failure(bench: Bench) -> None:
    """A word of a week ago is in the backup; the token is taken again since, and one look fails."""
    order_id = await refused_and_to_fail(bench)
    # The backup is made here, and restored a week later.
    bench.clock.time += timedelta(days=7)
    bench.cloudpress.script.clear()
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    await search_of(bench).search()
    await outlives_one_failure(bench, order_id, Refused(502), "order")


@pytest.mark.parametrize("away", [Refused(500), NotFound(404)])
async def test_who_says_that_it_is_another_takes_back_that_it_is_this_one(bench: Bench, away: Any) -> None:
    """First he has it adopt cp-2, which CloudPress fails to show; then he finds that cp-2 is another's."""
    bench.set(may_place_again=False)
    order_id = await suspected(bench)
    bench.cloudpress.script["order"] = [away] * MANY
    await adopt(bench, order_id, "cp-2")
    await bench.work_for(60)
    await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    bench.cloudpress.script.clear()
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id != "cp-2"


async def test_of_two_words_about_one_order_the_later_counts(bench: Bench) -> None:
    """A slip: cp-2 is Ann's. No: Bea's, whose order is of the same name."""
    bench.set(may_place_again=False)
    await bench.order("Before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(60)
    bench.cloudpress.script["place"] = [LOST]
    bench.cloudpress.script["answer"] = [LOST]
    ann = await bench.order()
    await bench.work()
    bea = await bench.order()
    await bench.work()
    assert set(bench.cloudpress.orders_made) == {"cp-1", "cp-2"}
    await bench.work_for(2 * GRACE_SECONDS)
    bench.cloudpress.script["order"] = [Refused(500)] * MANY
    await adopt(bench, ann, "cp-2")
    await bench.work_for(60)
    await adopt(bench, bea, "cp-2")
    await bench.work_for(60)
    bench.cloudpress.script.clear()
    async with bench.db.write() as tx:  # which of the two is due first is left to chance
        (await tx.session.get_one(Order, ann)).due_at = tx.now
        (await tx.session.get_one(Order, bea)).due_at = tx.now + timedelta(seconds=60)
    await bench.work_for(HOUR)
    hers, his = await bench.read(ann), await bench.read(bea)
    assert (hers.cloudpress_order_id, his.cloudpress_order_id) == (None, "cp-2"), (hers.status, his.status)


async def backed_up(bench: Bench, carls_name: str) -> tuple[UUID, str, datetime]:
    """Have a backup know Rosa's order, which never lands, and not Carl's, which is made after it.

    Returns Rosa's, what CloudPress has of Carl's, and the backup's time.
    """
    await bench.complete_one_before(300)
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [LOST]
    rosa = await bench.order("Shop")
    await bench.work()
    bench.clock.time += timedelta(seconds=60)
    return rosa, bench.cloudpress.land(carls_name, status="RUNNING"), bench.clock.time - timedelta(seconds=30)


async def restore(bench: Bench, since: datetime) -> None:
    """Restore it some minutes later, and look for what it has lost."""
    bench.clock.time += timedelta(seconds=240)
    await remember_restoration(bench.db, since=since)
    await doubt_unplaced_orders(bench.db)
    await search_of(bench).search()


@pytest.mark.parametrize("named", [False, True])
async def test_an_orphan_that_an_operator_adopts_as_an_order_of_its_own_is_taken_by_no_other(
    bench: Bench, *, named: bool
) -> None:
    rosa, carls, since = await backed_up(bench, "Shop")
    site = bench.cloudpress.orders_made[carls].site
    if not named:
        bench.cloudpress.tell(carls, site=None)
    await restore(bench, since)
    bench.cloudpress.tell(carls, site=site)
    bench.cloudpress.script["order"] = [NotFound(404)] * 3
    made = await adopt_orphan(bench.db, ACCOUNT, carls, by=BY)
    async with bench.db.write() as tx:
        for each in (rosa, made.id):
            (await tx.session.get_one(Order, each)).due_at = tx.now + timedelta(hours=9)
        (await tx.session.get_one(Order, made.id)).due_at = tx.now
    await bench.work()
    bench.cloudpress.script.clear()
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, made.id)).due_at = tx.now + timedelta(seconds=60)
        (await tx.session.get_one(Order, rosa)).due_at = tx.now
    await bench.work_for(10)
    await bench.work_for(2 * HOUR)
    hers, his = await bench.read(rosa), await bench.read(made.id)
    assert hers.cloudpress_order_id != carls, (
        hers.cloudpress_order_id_source,
        his.status,
        his.attention_code,
    )
    assert his.cloudpress_order_id == carls


@pytest.mark.parametrize("again", [0, 5])
async def test_a_word_to_fail_that_is_said_again(bench: Bench, again: int) -> None:
    """It waits for a day at most, however often it is said."""
    order_id = await bench.order()
    await bench.work()
    for request in ("order", "task", "site"):
        bench.cloudpress.script[request] = [NotFound(404)] * 50000
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_found"
    for request in ("order", "task", "site"):
        bench.cloudpress.script[request] = [Refused(500)] * 50000
    await bench.say(order_id, "fail", by=BY)
    for _ in range(6):
        await bench.work_for(20 * HOUR)
        if (await bench.read(order_id)).status == "failed":
            break
        if again:
            await bench.say(order_id, "fail", by=BY)
    else:
        pytest.fail(f"it never fails: {await told(bench, order_id)}")
