"""What a person is told of an order that is mixed up, and what his words do to one that was lost."""

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError
from tests.reconciler.scripted import DAY, HOUR, Bench
from tests.reconciler.test_answers_outrank_names import mixed_up
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
MANY = 100_000


async def test_what_may_be_its_own_is_named_beside_what_may_be_anothers(bench: Bench) -> None:
    """A person is told to place again, and not that CloudPress has what her own callback named."""
    rosa, _ben = await mixed_up(bench)
    hers = bench.cloudpress.land("shop-2")
    bench.cloudpress.tell(hers, site=None)
    await call_back(bench, rosa, int(hers.removeprefix("cp-")))
    await bench.work_for(60)
    order = await bench.read(rosa)
    assert hers in (order.suspected_duplicates or [])
    assert hers in (order.attention_detail or "")


async def test_who_does_as_he_is_told_about_an_unwanted_order_cancels_nobody_elses(bench: Bench) -> None:
    """To dismiss means, of one that is mixed up, that it is this one's: he is told to do something else."""
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.end("cp-2", "RUNNING")
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(60)
    with pytest.raises(NotResolvableError) as refused:
        await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    assert "have the order adopt cp-2 whose it is" in str(refused.value)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("cancel") == 0, "what would be cancelled is Ben's"


async def test_one_failure_while_it_is_mixed_up_is_no_day_of_silence(bench: Bench) -> None:
    """Two looks failed, two days apart; applications are told that each did for a day."""
    rosa, _ben = await mixed_up(bench)
    await call_back(bench, rosa, 9)
    bench.cloudpress.script["task 9"] = [Refused(502)]
    await bench.work_for(60)
    await bench.work_for(2 * DAY)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    bench.cloudpress.script["order"] = [Refused(502)]
    await bench.work_for(HOUR)
    told = [(it.shown or {})["attention"]["code"] for it in await bench.events(rosa, "order.needs_attention")]
    assert "unanswered" not in told


async def test_a_placed_order_is_not_said_to_be_sent_again(bench: Bench) -> None:
    """Its site is suspended (402), and it is looked at again."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    bench.cloudpress.script["site"] = [Refused(402, ("suspended",), is_own_form=True)] * MANY
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.attention_code == "refused"
    assert "sent again" not in (order.attention_detail or "")


async def test_a_word_to_fail_what_was_lost_fails_nothing_that_is_finished(bench: Bench) -> None:
    """Its task is not shown for a day; before the word is done CloudPress finishes it, site and all."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["task"] = [NotFound(404)] * MANY
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_found"
    bench.cloudpress.end("cp-1", "OK")  # the order lists its task as done by now
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert order.status == "completed", (order.status, await bench.known_site(order_id))


@pytest.mark.parametrize(
    ("told", "status", "error_code"),
    [("cancelled", "cancelled", None), ("failed", "failed", "order_failed")],
)
async def test_a_word_to_fail_what_was_lost_does_not_end_what_cloudpress_ended(
    bench: Bench, told: str, status: str, error_code: str | None
) -> None:
    """Its task is still not shown, but the order tells by then how it ended."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["task"] = [NotFound(404)] * MANY
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_found"
    bench.cloudpress.tell("cp-1", status=told, tasks=())
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert (order.status, order.error_code) == (status, error_code)


async def test_a_word_to_fail_what_is_lost_is_done_without_a_token_too(bench: Bench) -> None:
    """It was taken, the token goes before it is done, and then it waits for ever."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [NotFound(404)] * 100_000
    bench.cloudpress.script["task"] = [NotFound(404)] * 100_000
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_found"
    bench.accounts.clear()
    await bench.say(order_id, "fail", by=BY)
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert order.status == "failed", (order.attention_code, order.resolution)
