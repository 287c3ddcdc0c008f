"""What an operator has dismissed is not taken for the order, whatever names it and whenever he says so."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import SiteRef
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from app.orders.shown import NOTHING_SAID, Shown, UnseenError
from app.reconciler import intents, placing
from app.reconciler.passes import Pass
from tests.reconciler.scripted import GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look
from tests.reconciler.test_words import CaseBlind

BY = Actor("operator")


async def named_without_a_site(bench: Bench, *, spelt: str = "cp-2") -> tuple[UUID, SiteRef | None]:
    """Have a lost order's callback name cp-2, which links no site so far; return the order and that site."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    linked = bench.cloudpress.orders_made["cp-2"].site
    bench.cloudpress.tell("cp-2", site=None)
    bench.cloudpress.tasks[2] = bench.cloudpress.tasks[2].model_copy(update={"order_ids": (spelt,)})
    await call_back(bench, order_id, 2)
    await bench.work_for(2 * GRACE_SECONDS)
    return order_id, linked


async def dismiss_while_a_task_is_read(bench: Bench, order_id: UUID, shown: Shown, seconds: float) -> None:
    """Let time pass, in which an operator dismisses what he was shown in the midst of a pass."""
    plain = bench.cloudpress.task

    async def meanwhile(*asked: Any, **more: Any) -> Any:
        bench.cloudpress.task = plain  # type: ignore[method-assign]
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=shown)
        return await plain(*asked, **more)

    bench.cloudpress.task = meanwhile  # type: ignore[method-assign]
    await bench.work_for(seconds)
    assert bench.cloudpress.task == plain


async def test_what_was_dismissed_does_not_replace_what_the_look_up_found(bench: Bench) -> None:
    """An operator found that cp-2 is another's; once her own is found, her recheck replaces it by cp-2."""
    order_id, linked = await named_without_a_site(bench)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
    await bench.say(order_id, "dismiss_duplicates", by=BY, shown=await look(bench, order_id))
    bench.cloudpress.tell("cp-2", site=linked)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id is None, "he said that it is not this one"
    hers = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(2 * HOUR)
    told = [it.data for it in await bench.events(order_id, "order.identified")]
    assert (await bench.read(order_id)).cloudpress_order_id != "cp-2", (hers, told)


async def test_what_is_dismissed_while_a_pass_looks_is_not_adopted_by_a_callback(bench: Bench) -> None:
    """Its site is named by now; the operator says that it is another's while the pass reads it."""
    order_id, linked = await named_without_a_site(bench)
    shown = await look(bench, order_id)
    assert list(shown.suspects or ()) == ["cp-2"]
    bench.cloudpress.tell("cp-2", site=linked)
    await dismiss_while_a_task_is_read(bench, order_id, shown, 2 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != "cp-2", (order.settled_duplicates, await bench.known_site(order_id))


@pytest.mark.parametrize("stepped", [0, -HOUR])
async def test_what_an_answer_has_just_named_is_not_dismissed_with_what_was_shown(
    bench: Bench, stepped: float
) -> None:
    """He was shown cp-2 without a name; CloudPress's late answer came between his look and his word."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    shown = await look(bench, order_id)
    assert list(shown.suspects or ()) == ["cp-2"]
    bench.clock.step(stepped)
    await answered_late(bench, order_id, "cp-2")
    for said in (shown, NOTHING_SAID):
        with pytest.raises(UnseenError, match="cp-2"):
            await dismiss_duplicates(bench.db, order_id, by=BY, shown=said)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", "answer")


async def test_what_was_dismissed_and_is_answered_with_since_is_not_bought_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes once the order is to be sent again: that is the last moment to see it."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    await bench.say(order_id, "dismiss_duplicates", by=BY, shown=await look(bench, order_id))
    seen: list[str] = []

    async def just_before(this: Pass) -> Any:
        if this.order.id == order_id and not seen:
            seen.append("cp-2")
            await answered_late(bench, order_id, "cp-2")
        return await intents.intend(this)

    monkeypatch.setattr(placing, "intend", just_before)
    await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    assert seen
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"
    assert bench.cloudpress.count("place Shop") == 1


async def test_an_orders_own_id_in_other_letters_is_no_double(bench: Bench) -> None:
    """Its callback names a task that the order does not list: a person is told to cancel the one too many."""
    cloudpress = bench.use(CaseBlind(bench.clock))
    order_id = await bench.order()
    await bench.work()
    cloudpress.tasks[9] = cloudpress.tasks[1].model_copy(update={"id": 9, "order_ids": ("CP-1",)})
    await call_back(bench, order_id, 9)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.suspected_duplicates is None, order.attention_detail


async def test_what_was_dismissed_is_not_adopted_because_a_task_spells_it_otherwise(bench: Bench) -> None:
    """The callback's task calls it CP-2, and the order took its site."""
    cloudpress = bench.use(CaseBlind(bench.clock))
    order_id, linked = await named_without_a_site(bench, spelt="CP-2")
    await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    cloudpress.tell("cp-2", site=linked)
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != "cp-2", (order.settled_duplicates, order.cloudpress_order_id_source)


async def found_by_name_with_a_double(bench: Bench) -> tuple[UUID, str]:
    """Have an order be sent twice, be found by its name, and hours later a double beside it."""
    bench.cloudpress.script["place"] = [None, LOST, LOST]
    order_id = await bench.order_among_others()
    bench.clock.time += timedelta(seconds=30)
    held = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == (held, "lookup"), (
        order.status,
        order.cloudpress_order_id,
        order.cloudpress_order_id_source,
        order.attention_detail,
    )
    double = bench.cloudpress.land("Shop", status="RUNNING")
    async with bench.db.write() as tx:
        stored = await tx.session.get_one(Order, order_id)
        stored.late_look_at = tx.now
        stored.due_at = tx.now
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [double]
    return order_id, double


async def test_what_is_dismissed_while_a_recheck_looks_is_not_taken_by_it(bench: Bench) -> None:
    """A callback names the double; he has seen both, and says so while the pass reads the task."""
    order_id, double = await found_by_name_with_a_double(bench)
    number = int(double.removeprefix("cp-"))
    await call_back(bench, order_id, number)
    shown = await look(bench, order_id)
    await dismiss_while_a_task_is_read(bench, order_id, shown, HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != double, order.settled_duplicates


@pytest.mark.parametrize("word", ["place_again", "fail"])
async def test_a_word_is_not_about_what_an_answer_has_just_named(bench: Bench, word: str) -> None:
    """It names what he had dismissed, and no pass has seen it yet."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    await bench.say(order_id, "dismiss_duplicates", by=BY, shown=await look(bench, order_id))
    shown = await look(bench, order_id)
    await answered_late(bench, order_id, "cp-2")
    with pytest.raises(UnseenError, match="cp-2"):
        await bench.say(order_id, word, by=BY, shown=shown)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 1


async def test_what_its_own_callback_has_just_named_is_not_dismissed_unseen(bench: Bench) -> None:
    """It says of what is held by name that it is not this one; he was told of the double alone."""
    order_id, double = await found_by_name_with_a_double(bench)
    await call_back(bench, order_id, int(double.removeprefix("cp-")))
    with pytest.raises(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY)
    bench.cloudpress.end((await bench.read(order_id)).cloudpress_order_id or "", "OK")
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    told = order.cloudpress_order_id, order.cloudpress_order_id_source, order.status
    assert order.cloudpress_order_id == double or order.attention_code is not None, told
