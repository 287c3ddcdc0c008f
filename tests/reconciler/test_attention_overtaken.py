"""What a person was asked because of one look is asked no more once nothing was learned for a day."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pytest

from app.cloudpress import Refused, TaskRef
from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
MANY = 5000
FAILS = Refused(500)
World = Callable[[Bench], Awaitable[str]]


async def redirected(bench: Bench) -> str:
    bench.cloudpress.script["order"] = [Refused(302), *[FAILS] * MANY]
    return "redirected"


async def credentials_refused(bench: Bench) -> str:
    bench.cloudpress.script["order"] = [Refused(401), *[FAILS] * MANY]
    return "credentials_refused"


async def odd_payment(bench: Bench) -> str:
    bench.cloudpress.tell("cp-1", odd_payment_url="/checkout", asks_for_payment=True)
    bench.cloudpress.script["order"] = [None, *[FAILS] * MANY]
    return "payment_url_unusable"


async def foreign(bench: Bench) -> str:
    await bench.order("Other")
    await bench.work()
    linked = (TaskRef(id=1, status="RUNNING"), TaskRef(id=2, status="RUNNING"))
    bench.cloudpress.tell("cp-1", tasks=linked)
    await bench.work_for(HOUR / 4)
    bench.cloudpress.script["order"] = [FAILS] * MANY
    return "foreign_link"


async def broken(bench: Bench) -> str:
    bench.cloudpress.script["order"] = [ZeroDivisionError("a defect"), *[FAILS] * MANY]
    return "pass_broken"


@pytest.mark.parametrize("world", [redirected, credentials_refused, odd_payment, foreign, broken])
async def test_what_one_look_met_with_does_not_hide_weeks_without_an_answer(
    bench: Bench, world: World
) -> None:
    order_id = await bench.order()
    await bench.work()
    code = await world(bench)
    await bench.work_for(DAY / 2)
    assert (await bench.read(order_id)).attention_code == code, "one failure is no answer either"
    await bench.skim(7 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    told = await bench.events(order_id, "order.needs_attention")
    assert [(event.shown or {})["attention"]["code"] for event in told] == [code, "unanswered"]


async def test_a_defect_ends_the_silence_before_it(bench: Bench) -> None:
    """It was not CloudPress that told nothing then: a day without an answer begins anew after it."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [FAILS] * MANY
    await bench.skim(20 * HOUR)
    bench.cloudpress.script["order"] = [ZeroDivisionError("a defect"), *[FAILS] * MANY]
    await bench.skim(12 * HOUR)
    assert (await bench.read(order_id)).attention_code == "pass_broken"
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"


async def test_what_is_met_with_again_and_again_stands(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = list(islice(cycle([Refused(302), FAILS, FAILS]), MANY))
    await bench.skim(5 * DAY)
    assert (await bench.read(order_id)).attention_code == "redirected"
    assert len(await bench.events(order_id, "order.needs_attention")) == 1


async def test_nor_does_a_look_for_an_order_that_was_refused_once(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["orders"] = [Refused(302), *[FAILS] * MANY]
    await bench.work_for(GRACE_SECONDS / 2)
    assert (await bench.read(order_id)).attention_code == "redirected"
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", "placement_unconfirmed")


async def test_a_defect_that_is_over_keeps_no_final_order_asking(bench: Bench) -> None:
    """The task of its callback is never read; he says that he has looked."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    await call_back(bench, order_id, 9)
    bench.cloudpress.script["task 9"] = [ZeroDivisionError("a defect"), *[FAILS] * MANY]
    await bench.skim(5 * DAY)
    await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code is None, await told(bench, order_id)


@pytest.mark.parametrize("failing", [False, True])
async def test_foreign_link_flaps(bench: Bench, *, failing: bool) -> None:
    """Half of the looks time out, half see another's task linked: a person is asked about that, once."""
    rosa = await bench.order()
    await bench.work()
    await bench.order("Other")
    await bench.work()
    bench.cloudpress.tell("cp-1", tasks=(TaskRef(id=1, status="RUNNING"), TaskRef(id=2, status="RUNNING")))
    if failing:
        plain, asked = bench.cloudpress.order, [0]

        async def order(order_id: str, **more: Any) -> Any:
            if order_id == "cp-1":
                asked[0] += 1
                if asked[0] % 2:
                    raise LOST
            return await plain(order_id, **more)

        bench.cloudpress.order = order  # type: ignore[method-assign]
    for _ in range(3 * 24 * 4):
        bench.clock.time += timedelta(seconds=900)
        await bench.work()
    events = await bench.events(rosa, "order.attention_started")
    assert len(events) <= 2, (len(events), [it.data["code"] for it in events][:8])
