"""A late answer names what another order has by its name, in the moment before an order is sent again."""

import pytest

from app.events.timeline import Actor
from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_cancelled_in_the_midst import taken_by_name
from tests.reconciler.test_unseen_news import told

BY = Actor("operator")


@pytest.mark.parametrize("when", ["unconfirmed", "pending"])
async def test_an_order_that_was_answered_is_not_sent_again_without_a_person(bench: Bench, when: str) -> None:
    """That another has what the answer names explains nothing: a person is asked whose it is."""
    rosa, ben = await taken_by_name(bench)
    await bench.say(ben, "place_again", by=BY)
    if when == "unconfirmed":
        await answered_late(bench, ben, "cp-2")
    else:
        while (await bench.read(ben)).status == "unconfirmed":
            await bench.work()
        assert (await bench.read(ben)).status == "pending", await told(bench, ben)
        await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place shop") == 1, (await told(bench, rosa), await told(bench, ben))
