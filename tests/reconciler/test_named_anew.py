"""What CloudPress itself names after an operator has settled it is told: he knew less."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA, answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

News = Callable[[Bench, UUID], Awaitable[None]]


async def late_answer(bench: Bench, order_id: UUID) -> None:
    await answered_late(bench, order_id, "cp-2")


async def own_callback(bench: Bench, order_id: UUID) -> None:
    """Its site is linked and named by now, and the order's own callback names it."""
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')


async def dismissed(bench: Bench) -> UUID:
    """Have an operator take cp-2, which tells no name yet, for another's, so that the order is sent again."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    linked = bench.cloudpress.orders_made["cp-2"].site
    bench.cloudpress.tell("cp-2", site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 2, "it was placed again, as the word had it"
    bench.cloudpress.tell("cp-2", site=linked)
    bench.cloudpress.end("cp-2", "OK")
    return order_id


@pytest.mark.parametrize("news", [late_answer, own_callback])
async def test_what_cloudpress_itself_names_after_a_dismissal_is_told(bench: Bench, news: News) -> None:
    order_id = await dismissed(bench)
    await news(bench, order_id)
    await bench.work_for(DAY)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")


@pytest.mark.parametrize("news", [late_answer, own_callback])
async def test_a_clock_that_is_put_right_hides_nothing_that_is_named_after_a_word(
    bench: Bench, news: News
) -> None:
    """It was two hours ahead when the operator spoke."""
    bench.clock.step(2 * HOUR)
    order_id = await dismissed(bench)
    bench.clock.step(-2 * HOUR)
    await news(bench, order_id)
    await bench.skim(3 * DAY)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")


@pytest.mark.parametrize("news", [late_answer, own_callback])
async def test_a_clock_that_is_put_right_undoes_no_word(bench: Bench, news: News) -> None:
    """It was two hours ahead when CloudPress named what the operator dismisses again, after that."""
    order_id = await dismissed(bench)
    bench.clock.step(2 * HOUR)
    await news(bench, order_id)
    await bench.work_for(60)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
    bench.clock.step(-2 * HOUR)
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == (None, None)


@pytest.mark.parametrize("news", [late_answer, own_callback])
async def test_what_he_settles_after_that_stays_so(bench: Bench, news: News) -> None:
    order_id = await dismissed(bench)
    await news(bench, order_id)
    await bench.work_for(HOUR)
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == (None, None)


async def test_what_is_cancelled_at_cloudpress_is_told_no_more(bench: Bench) -> None:
    order_id = await dismissed(bench)
    await late_answer(bench, order_id)
    await bench.work_for(HOUR)
    bench.cloudpress.end("cp-2", "CANCELLED")
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == (None, None)


async def test_a_repeat_of_a_callback_undoes_no_word(bench: Bench) -> None:
    order_id = await dismissed(bench)
    await own_callback(bench, order_id)
    await bench.work_for(HOUR)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(60)
    assert (await bench.read(order_id)).attention_code is None
    told = len(await bench.events(order_id, "order.needs_attention"))
    await record_callback(bench.db, order_id, b'{"timestamp": 1764000000, "task": {"id": 2}}')
    await bench.work_for(60)
    now = len(await bench.events(order_id, "order.needs_attention"))
    assert ((await bench.read(order_id)).attention_code, now) == (None, told)


async def test_a_callback_of_a_double_that_was_cancelled_has_it_told_no_more(bench: Bench) -> None:
    """A person has cancelled it, and CloudPress calls back about that."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", status="awaiting_payment", payment_url="https://pay.example/2")
    bench.cloudpress.end("cp-2", "PENDING")
    await bench.work_for(60)
    second = bench.cloudpress.land("Shop")
    await call_back(bench, order_id, 4)
    await bench.work_for(60)
    assert (await bench.read(order_id)).cloudpress_order_id == second
    await bench.skim(DAY)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
    bench.cloudpress.end("cp-2", "CANCELLED")
    await bench.work_for(4 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    told = len(await bench.events(order_id, "order.needs_attention"))
    await call_back(bench, order_id, 2)
    await bench.work_for(1)
    order = await bench.read(order_id)
    now = len(await bench.events(order_id, "order.needs_attention"))
    assert (order.attention_code, now) == (None, told), order.attention_detail


@pytest.mark.parametrize("is_dismissed", [False, True])
async def test_what_is_named_anew_stops_the_site_in_the_same_pass(
    bench: Bench, *, is_dismissed: bool
) -> None:
    """Rosa's is cp-2, which told no name and was dismissed. Her late answer names Ben's, her callback it."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["answer"] = [None, LOST]
    rosa = await bench.order_among_others()
    linked = bench.cloudpress.orders_made["cp-2"].site
    bench.cloudpress.tell("cp-2", site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    if is_dismissed:
        await dismiss_duplicates(bench.db, rosa, by=ROSA, shown=await look(bench, rosa))
        await bench.work_for(60)
    bens = bench.cloudpress.land("Ben", status="RUNNING")
    await answered_late(bench, rosa, bens)
    await bench.work_for(60)
    assert (await bench.read(rosa)).cloudpress_order_id == bens
    bench.cloudpress.tell("cp-2", site=linked)
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end(bens, "OK")
    await call_back(bench, rosa, 2)  # comes before the next look at what she holds
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) is None, (await bench.read(rosa)).attention_detail
