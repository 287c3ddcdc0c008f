"""What people are asked, and what becomes of their words, while a callback is unread."""

from datetime import timedelta
from typing import Any

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


@pytest.mark.parametrize("failure", [None, Refused(500), NotFound(404)], ids=["none", "500", "404"])
async def test_nobody_is_asked_by_one_failure_of_a_callbacks_task(
    bench: Bench, failure: Exception | None
) -> None:
    """No worker ran for twenty minutes; the list shows it, and one look at its callback's task fails."""
    cloudpress = bench.cloudpress
    cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.clock.time += timedelta(minutes=20)
    if failure is not None:
        cloudpress.script["task 2"] = [failure]
    cloudpress.end("cp-2", "OK")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "completed", await told(bench, order_id)
    asked = await bench.events(order_id, "order.attention_started")
    assert not asked, [event.data for event in asked]


@pytest.mark.parametrize("word", ["adopt", "fail"])
async def test_a_word_in_the_midst_of_an_adoption_is_not_lost_unheard(bench: Bench, word: str) -> None:
    """While a pass adopts what the callback names, an operator says otherwise: he is told of the end."""
    cloudpress = bench.cloudpress
    bench.set(may_place_again=False)
    cloudpress.script["answer"] = [None, LOST]
    cloudpress.hides = lambda it: it == "cp-2"
    order_id = await bench.order_among_others()
    await bench.work_for(2 * GRACE_SECONDS)
    other = cloudpress.land("Shop", status="RUNNING")
    plain, said = cloudpress.order, list[int]()

    async def order(asked: str, **more: Any) -> Any:
        answer = await plain(asked, **more)
        if asked == "cp-2" and not said:
            said.append(1)
            if word == "adopt":
                await adopt(bench, order_id, other)
            else:
                await bench.say(order_id, "fail", by=BY)
        return answer

    cloudpress.order = order  # type: ignore[method-assign, assignment]
    await call_back(bench, order_id, 2)
    await bench.work_for(60)
    assert said
    held = await bench.read(order_id)
    ended = await bench.events(order_id, "order.resolution_impossible")
    is_done = held.cloudpress_order_id == other if word == "adopt" else held.status == "failed"
    assert is_done or ended or held.resolution, await told(bench, order_id)


async def test_a_word_that_waited_while_held_fails_nothing_by_one_failure(bench: Bench) -> None:
    """To fail for a 404; a day of contradicting callbacks; CloudPress has it, and one look fails."""
    cloudpress = bench.cloudpress
    rosa = await bench.order("Rosa")
    await bench.work()
    for request in ("order", "task", "site"):
        cloudpress.script[request] = [NotFound(404)] * 50000
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).attention_code == "not_found"
    cloudpress.script.clear()
    cloudpress.script["task 90"] = [Refused(500)] * 50000
    stranger = cloudpress.land("Else", status="RUNNING")
    await call_back(bench, rosa, 90)
    await call_back(bench, rosa, int(stranger.removeprefix("cp-")))
    await bench.say(rosa, "fail", by=BY)
    await bench.work_for(23 * HOUR)
    cloudpress.end("cp-1", "OK")
    cloudpress.script["order cp-1"] = [Refused(500)]
    await bench.work_for(4 * HOUR)
    assert not cloudpress.script["order cp-1"], "it has failed"
    held = await bench.read(rosa)
    assert held.status == "completed", (await told(bench, rosa), held.resolution)
