"""A pass that began before the news may ask a person after it: no word settles what came between."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Refused
from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from app.orders.shown import UnseenError
from app.states import AttentionCode
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import answer_while_it_lists, suspected, told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


PASSES = 1000


async def until_asked(bench: Bench, order_id: UUID, code: str | None = None) -> None:
    """Run passes, each when it is due, until a person is asked about the order, or about that."""
    for _ in range(PASSES):
        order = await bench.read(order_id)
        if order.attention_code in ({code} if code else {*AttentionCode}):
            return
        bench.clock.time = max(bench.clock.time, order.due_at or bench.clock.time)
        await bench.work()
    pytest.fail("nobody is asked")


async def test_an_answer_that_comes_in_the_pass_that_asks_first_is_dismissed_by_no_word(
    bench: Bench,
) -> None:
    """It ends with 429 and `Retry-After`, so that no other pass looks for long."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", site=None)
    plain, made_at = bench.cloudpress.orders, bench.clock.time
    answered: list[str] = []

    async def meanwhile(*asked: Any, **more: Any) -> Any:
        if (bench.clock.time - made_at).total_seconds() < GRACE_SECONDS or answered:
            return await plain(*asked, **more)
        answered.append("cp-2")
        await answered_late(bench, order_id, "cp-2")
        raise Refused(429, ("slow down",), 1800.0, is_own_form=True)

    bench.cloudpress.orders = meanwhile  # type: ignore[method-assign]
    await until_asked(bench, order_id)
    order = await bench.read(order_id)
    assert answered
    assert order.wakes != order.seen_wakes, "no pass has seen the answer"
    with suppress(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    await bench.work_for(3 * HOUR)
    assert bench.cloudpress.count("place Shop") == 1, await told(bench, order_id)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"


async def test_an_answer_that_comes_in_a_pass_that_breaks_is_dismissed_by_no_word(bench: Bench) -> None:
    """What asks then is the defect, which has seen nothing."""
    order_id = await suspected(bench)
    shown = await look(bench, order_id)
    answer_while_it_lists(bench, order_id, RuntimeError("a defect"))
    await until_asked(bench, order_id, "pass_broken")
    with suppress(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=shown)
    await bench.work_for(3 * HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)
    assert bench.cloudpress.count("place Shop") == 1


async def test_a_callback_that_comes_in_the_pass_that_asks_first_is_overruled_by_no_word(
    bench: Bench,
) -> None:
    """CloudPress is busy for a day, has finished the order, and calls back as a person is asked."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    plain = bench.cloudpress.order
    called: list[int] = []

    async def busy(*_asked: Any, **_more: Any) -> Any:
        silent_since = (await bench.read(order_id)).silent_since
        if silent_since and not called and bench.clock.time - silent_since >= timedelta(days=1):
            called.append(1)
            await call_back(bench, order_id, 1)
        raise Refused(429, ("slow down",), 3 * HOUR, is_own_form=True)

    bench.cloudpress.order = busy  # type: ignore[method-assign]
    await until_asked(bench, order_id)
    order = await bench.read(order_id)
    assert called
    assert order.wakes != order.seen_wakes, "no pass has seen the callback"
    await bench.say(order_id, "fail", by=BY)
    await bench.work_for(4 * HOUR)
    bench.cloudpress.order = plain  # type: ignore[method-assign]
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) != ("failed", None), "CloudPress has finished it"


async def test_a_word_to_fail_is_not_refused_for_ever_for_news_that_no_pass_will_see(bench: Bench) -> None:
    """An answer names what was dismissed, and the account is gone before a pass comes to see it."""
    bench.set(may_place_again=False)
    order_id = await suspected(bench)
    await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    await answered_late(bench, order_id, "cp-2")
    bench.accounts.clear()
    await bench.skim(10 * DAY)
    assert "fail" in ((await bench.read(order_id)).attention_detail or "")
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", "suspected_duplicate")
    assert order.suspected_duplicates == ["cp-2"]
