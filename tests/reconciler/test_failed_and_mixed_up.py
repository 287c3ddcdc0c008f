"""Whose it is what an order was answered with is asked on once it was failed."""

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up
from tests.reconciler.test_unseen_news import told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


@pytest.mark.parametrize("failure", [Refused(500), LOST, NotFound(404)], ids=["500", "lost", "404"])
async def test_whose_it_is_is_asked_until_somebody_says(bench: Bench, failure: Exception) -> None:
    """By failing it he overrules the callback that told of it; then a look cannot read its task."""
    rosa, _ben = await mixed_up(bench)
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await bench.work()
    asked = (await bench.read(rosa)).attention_detail
    assert "cancel nothing" in (asked or "")
    bench.cloudpress.script["task 2"] = [failure]
    await bench.work_for(6 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("failed", "suspected_duplicate"), await told(bench, rosa)
