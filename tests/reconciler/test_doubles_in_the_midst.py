"""What a late look finds is another's by the time that it is told as one too many."""

from datetime import timedelta

import pytest

from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_cancelled_in_the_midst import while_looking_at
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_unseen_news import told


@pytest.mark.parametrize("at", ["before", "midst"])
async def test_nobody_is_told_to_cancel_what_another_has_by_its_own_callback(bench: Bench, at: str) -> None:
    """Ann's was sent twice. Her late look sees Bob's; meanwhile his callback is read."""
    cloudpress = bench.cloudpress
    cloudpress.script["place"] = [None, LOST]
    ann = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    anns = (await bench.read(ann)).cloudpress_order_id
    assert anns is not None, "it was placed again"
    late_look_at = (await bench.read(ann)).late_look_at
    assert late_look_at is not None
    await bench.work_for((late_look_at - bench.clock.time).total_seconds() - 30)
    bench.set(may_place_again=False)
    cloudpress.script["answer"] = [LOST]
    bob = await bench.order("Shop")
    await bench.work()
    bobs = f"cp-{len(cloudpress.orders_made)}"
    assert (await bench.read(bob)).status == "unconfirmed"

    async def come() -> None:
        await call_back(bench, bob, int(bobs.removeprefix("cp-")))
        await bench.work()
        assert (await bench.read(bob)).cloudpress_order_id == bobs, await told(bench, bob)

    if at == "before":
        await come()
    bench.clock.time = late_look_at + timedelta(seconds=5)
    if at == "midst":
        while_looking_at(bench, anns, come)
    for _ in range(3):
        await bench.work()
    order = await bench.read(ann)
    assert order.attention_code is None, await told(bench, ann)
