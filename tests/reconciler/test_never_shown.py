"""A CloudPress order that is listed and never shown keeps no order from going on for ever."""

from uuid import UUID

import pytest

from app.cloudpress import NoAnswer, Refused
from app.events.timeline import Actor
from app.orders.shown import Shown
from app.orders.suspects import find_suspects
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


@pytest.mark.parametrize("status", [0, 402, 403, 410, 500])
async def test_a_strangers_that_is_never_shown_keeps_no_word_from_being_done(
    bench: Bench, status: int
) -> None:
    """An operator knows of it: it is among what he was shown. The control is one that is shown."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    strangers = bench.cloudpress.land("Quite another")
    if status:
        refused = Refused(status, ("no",), is_own_form=True)
        bench.cloudpress.script[f"order {strangers}"] = [refused] * 100_000
    await bench.work_for(2 * HOUR)
    async with bench.db.read() as session:
        suspects = [it.cloudpress_order_id for it in await find_suspects(session, await bench.read(order_id))]
    assert suspects == [strangers]
    await bench.say(order_id, "place_again", by=BY, shown=Shown(suspects, 0))
    await bench.work_for(HOUR / 4)
    order = await bench.read(order_id)
    is_ended = order.resolution is None
    assert bench.cloudpress.count("place Shop") == 2 or is_ended, (
        order.resolution,
        await told(bench, order_id),
    )


@pytest.mark.parametrize("is_for_good", [False, True])
async def test_one_that_is_listed_and_never_shown_is_suspected(bench: Bench, *, is_for_good: bool) -> None:
    """A refusal of one order is none of the account; what fails now and then is asked about again."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    strangers = bench.cloudpress.land("Quite another")
    bench.cloudpress.land("One that is shown")
    refused = Refused(403, ("no",), is_own_form=True)
    failures = 100_000 if is_for_good else 12
    bench.cloudpress.script[f"order {strangers}"] = [refused] * failures
    is_told = False
    while not is_told and bench.cloudpress.asked.count(f"order {strangers}") < 20:
        await bench.work_for(60)
        order = await bench.read(order_id)
        assert order.attention_code != "credentials_refused"
        is_told = strangers in (order.attention_detail or "")
    assert is_told, await told(bench, order_id)
    assert bench.cloudpress.asked.count(f"order {strangers}") > min(failures, 16)


@pytest.mark.parametrize("away", [False, True])
@EVERY_LOOK
async def test_one_failure_after_an_outage_has_nobody_asked(bench: Bench, *, away: bool) -> None:
    """Looks count at which an order was not shown, and not those at which nothing could be."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    if away:
        bench.cloudpress.script["orders"] = [NoAnswer("away", kind="connect")] * 17
        while bench.cloudpress.script["orders"]:
            await bench.work_for(60)
    bench.cloudpress.script["order cp-2"] = [Refused(500)]
    for _ in range(200):
        await bench.work_for(5)
        assert "cp-2" not in ((await bench.read(order_id)).attention_detail or "")
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"


async def never_shown(bench: Bench) -> tuple[UUID, str]:
    """Have a stranger's order be listed, and not be shown until a person is asked about it."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    strangers = bench.cloudpress.land("Quite another")
    bench.cloudpress.script[f"order {strangers}"] = [Refused(500)] * 100_000
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).attention_code == "placement_suspected", await told(bench, order_id)
    return order_id, strangers


@EVERY_LOOK
async def test_one_that_is_suspected_is_looked_at_once_in_each_look_up(bench: Bench) -> None:
    order_id, strangers = await never_shown(bench)
    looks = bench.cloudpress.count(f"order {strangers}")
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count(f"order {strangers}") > looks
    assert (await bench.read(order_id)).failures == 0


@EVERY_LOOK
async def test_one_that_is_shown_again_is_not_suspected_at_its_next_failure(bench: Bench) -> None:
    order_id, strangers = await never_shown(bench)
    failing = bench.cloudpress.script[f"order {strangers}"]
    looks = bench.cloudpress.count(f"order {strangers}")
    failing[:] = [None, *[Refused(500)] * 100_000]
    while bench.cloudpress.count(f"order {strangers}") < looks + 2:
        await bench.work_for(5)
    assert (await bench.read(order_id)).failures >= 1, "it is asked about again before it is suspected"
