"""An order's own callback names what another order holds, and that tells no name yet."""

from typing import Any

import pytest

from app.cloudpress import Answer, Placed, TaskRef
from tests.reconciler.scripted import LOST, Bench
from tests.reconciler.test_hints_unread import sent_twice_and_mixed_up
from tests.reconciler.test_mixed_up_answers import finish_both_and_call_back, mixed_up
from tests.reconciler.test_unseen_news import told


def untell(bench: Bench) -> None:
    """Have neither cp-2 nor its task link a site that would tell its name."""
    bench.cloudpress.tell("cp-2", site=None)
    bench.cloudpress.tasks[2] = bench.cloudpress.tasks[2].model_copy(update={"site_ids": ()})


@pytest.mark.parametrize("named", [True, False])
async def test_sent_twice_and_its_callback_names_what_another_holds(bench: Bench, *, named: bool) -> None:
    """Agreeing or not: so also where what another order here holds tells no name (yet)."""
    rosa = await sent_twice_and_mixed_up(bench)
    if not named:
        untell(bench)
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("named", [True, False])
async def test_sent_once_and_its_callback_names_what_another_holds(bench: Bench, *, named: bool) -> None:
    """The same where it was sent once (control)."""
    rosa, _ben = await mixed_up(bench)
    if not named:
        untell(bench)
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)


@pytest.mark.parametrize("named", [True, False])
async def test_found_by_name_and_its_callback_names_what_another_holds(bench: Bench, *, named: bool) -> None:
    """Ben was answered with Rosa's cp-2, her answer is lost: a look-up takes his cp-3, called alike."""
    cloudpress = bench.cloudpress
    await bench.complete_one_before(300)
    cloudpress.script["answer"] = [LOST]
    rosa = await bench.order("Shop")
    await bench.work()
    plain = cloudpress.place

    async def place(*given: Any, **more: Any) -> Answer[Placed]:
        await plain(*given, **more)
        return Answer(Placed(order_id="cp-2", task=TaskRef(id=2, status="RUNNING")), b"{}", cloudpress.now)

    cloudpress.place = place  # type: ignore[method-assign]
    ben = await bench.order("Shop")
    await bench.work()
    cloudpress.place = plain  # type: ignore[method-assign]
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    await bench.work_for(100)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-3", "lookup")
    if not named:
        untell(bench)
    await finish_both_and_call_back(bench, rosa)
    assert await bench.known_site(rosa) is None, await told(bench, rosa)
