"""A pass that could read nothing of a callback has not seen it, and no word settles what it names."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused, SiteRef
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.resolving import NotResolvableError
from app.orders.shown import NOTHING_SAID, Shown, UnseenError
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_dismissed_and_named import found_by_name_with_a_double
from tests.reconciler.test_given_up import credentials_refused, stuck, unanswered
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_resolvable import lost_at_cloudpress
from tests.reconciler.test_unseen_news import suspected, told
from tests.reconciler.test_what_was_shown import look
from tests.reconciler.test_words_that_wait import is_not_failed_unheard

BY = Actor("operator")
FAILURES = [Refused(500), NotFound(404), LOST, Refused(429, (), 600.0)]
IDS = ["500", "404", "lost", "429"]


@pytest.mark.parametrize("failure", FAILURES, ids=IDS)
@pytest.mark.parametrize("says", [False, True])
async def test_a_callback_whose_task_could_not_be_read_yet_is_not_dismissed_unseen(
    bench: Bench, failure: Exception, *, says: bool
) -> None:
    """It names the double; once its task is read, the order is that one, or a person is asked."""
    order_id, double = await found_by_name_with_a_double(bench)
    held = (await bench.read(order_id)).cloudpress_order_id or ""
    number = int(double.removeprefix("cp-"))
    bench.cloudpress.script[f"task {number}"] = [failure] * 20
    await call_back(bench, order_id, number)
    await bench.work_for(60)
    assert "callback" not in ((await bench.read(order_id)).attention_detail or "")
    shown = Shown(suspects=[double]) if says else NOTHING_SAID
    with suppress(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=shown)
    bench.cloudpress.script.clear()
    bench.cloudpress.end(held, "OK")
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == double or order.attention_code is not None, await told(
        bench, order_id
    )


@pytest.mark.parametrize("world", [unanswered, credentials_refused, None], ids=["500", "403", "404"])
async def test_a_callback_that_only_a_failed_look_has_seen_is_not_overruled_by_a_word_to_fail(
    bench: Bench, world: Callable[[Bench], Awaitable[None]] | None
) -> None:
    """A person was asked because looks fail; so does that at the callback, of which he is not told."""
    order_id = await (stuck(bench, world) if world is not None else lost_at_cloudpress(bench))
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 1)
    await bench.work()
    assert "callback" not in ((await bench.read(order_id)).attention_detail or "")
    await bench.say(order_id, "fail", by=BY)
    await bench.work_for(HOUR)
    await is_not_failed_unheard(bench, order_id)


class Died(BaseException):
    """The process ends."""


async def sending_died(bench: Bench) -> UUID:
    """Have an order, of which cp-2 is suspected, be placed again by a word; the process dies as it sends."""
    bench.set(may_place_again=False)
    order_id = await suspected(bench)
    await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    plain = bench.cloudpress.place

    async def dies(*_given: Any, **_more: Any) -> Any:
        raise Died

    bench.cloudpress.place = dies  # type: ignore[method-assign]
    with suppress(Died):
        await bench.work_for(HOUR)
    bench.cloudpress.place = plain  # type: ignore[method-assign]
    bench.set()
    assert (await bench.read(order_id)).status == "placing"
    return order_id


@pytest.mark.parametrize("news", ["callback", "answer"])
async def test_a_pass_that_finds_it_cut_off_has_seen_nothing(bench: Bench, news: str) -> None:
    """It reads neither callbacks nor answers."""
    order_id = await sending_died(bench)
    await (call_back(bench, order_id, 2) if news == "callback" else answered_late(bench, order_id))
    bench.clock.time += timedelta(seconds=61)
    await bench.work()
    assert (await bench.read(order_id)).status == "unconfirmed"
    bench.cloudpress.tell("cp-2", site=SiteRef(id="site-2", name="Shop"))
    with suppress(UnseenError, NotResolvableError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=Shown(suspects=["cp-2"]))
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", await told(bench, order_id)


@pytest.mark.parametrize("again", [False, True])
async def test_dismissing_a_mix_up_after_a_second_body(bench: Bench, *, again: bool) -> None:
    """All of their tasks were read, so he may dismiss what they told."""
    rosa, _ben = await mixed_up(bench)
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    if again:
        await record_callback(bench.db, rosa, b'{"timestamp": 2, "task": {"id": 2}}')
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"
    await dismiss_duplicates(bench.db, rosa, by=BY)
