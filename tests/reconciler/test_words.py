"""What an operator's word covers: what he was shown, and neither what came later nor what he was not told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, OrderDetails, SiteRef
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.orphans import orphans_like
from app.orders.resolving import NotResolvableError, request_resolution
from app.orders.restorations import remember_restoration
from app.orders.shown import Shown
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress
from tests.reconciler.test_attacks import ROSA, answered_late, lost_and_hidden
from tests.reconciler.test_late_looks import Failing
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_what_was_shown import look


class CaseBlind(ScriptedCloudPress):
    """Knows its orders by their UUIDs, whatever letters those are written in."""

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        return await super().order(order_id.lower(), timeout_seconds=timeout_seconds)


@pytest.mark.parametrize("says", [True, False])
async def test_an_orphan_found_after_the_word_ends_it(bench: Bench, *, says: bool) -> None:
    await bench.order("Known before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.set(placing=False)
    order_id = await bench.order()
    await bench.work()
    bench.clock.time += timedelta(hours=1)
    lost = bench.cloudpress.land("Shop")  # the original has sent it, after the backup was made
    bench.cloudpress.hides = lambda it: it == lost  # the list lags
    bench.clock.time += timedelta(hours=1)
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    shown = await look(bench, order_id)
    assert shown.suspects == []
    await bench.say(order_id, "place_again", by=ROSA, **({"shown": shown} if says else {}))
    bench.cloudpress.hides = lambda it: False
    await search_of(bench).search()  # it is shown now and then
    bench.cloudpress.hides = lambda it: it == lost
    async with bench.db.read() as session:
        assert await orphans_like(session, await bench.read(order_id)) == (lost,)
    await bench.work_for(HOUR)
    bench.set(placing=True)
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place Shop") == 0, "an orphan of its name is known since the word"


async def test_an_orphan_found_after_the_word_ends_it_of_an_order_that_is_new(bench: Bench) -> None:
    await bench.order("Known before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.clock.time += timedelta(hours=1)
    lost = bench.cloudpress.land("Shop")
    bench.cloudpress.hides = lambda it: it == lost
    bench.clock.time += timedelta(hours=1)
    await remember_restoration(bench.db)
    await search_of(bench).search()  # nothing is shown of it
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()  # its client sends it again
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    sent = bench.cloudpress.count("place Shop")
    bench.set(placing=False)
    await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    await remember_restoration(bench.db)  # of another copy, so that it is searched anew
    bench.cloudpress.hides = lambda _it: False
    await search_of(bench).search()
    bench.cloudpress.hides = lambda it: it == lost
    await bench.work_for(HOUR)
    assert lost in ((await bench.read(order_id)).attention_detail or "")
    bench.set(placing=True)
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place Shop") == sent


async def test_who_gives_up_without_saying_what_he_saw_overrules_nothing_he_was_not_told(
    bench: Bench,
) -> None:
    failing = bench.use(Failing(bench.clock))
    order_id = await lost_and_hidden(bench)
    failing.hides = lambda _it: False
    failing.failing = "cp-2"  # it is listed now, and not shown
    await bench.work_for(2 * GRACE_SECONDS)
    order = await bench.read(order_id)
    assert "cp-2" not in (order.attention_detail or "")
    assert (await look(bench, order_id)).suspects == ["cp-2"]
    await bench.say(order_id, "fail", by=ROSA)
    failing.failing = ""
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert order.attention_code is not None, (order.status, order.due_at)


async def test_who_gives_up_before_anybody_was_asked_hides_no_suspect(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", site=None, payment_url="https://pay.example/2", asks_for_payment=True)
    bench.cloudpress.tasks[2] = bench.cloudpress.tasks[2].model_copy(
        update={"site_ids": (), "status": "PENDING"}
    )
    await bench.work_for(GRACE_SECONDS / 2)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", None)
    assert (await look(bench, order_id)).suspects == ["cp-2"]
    await bench.say(order_id, "fail", by=ROSA)
    await bench.work_for(HOUR)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")


async def beside_a_twin(bench: Bench) -> tuple[UUID, str, SiteRef | None]:
    """Have a lost order be suspected to be somebody's twin, which tells no name yet.

    The next attempt is lost too. Returns the order, the twin, and the twin's site.
    """
    bench.cloudpress.script["place"] = [None, LOST, None, LOST]
    order_id = await bench.order_among_others()
    twin = bench.cloudpress.land("Shop")  # somebody else's, made in CloudPress's own pages, not paid yet
    linked = bench.cloudpress.orders_made[twin].site
    bench.cloudpress.tell(twin, site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    assert twin in ((await bench.read(order_id)).attention_detail or "")
    return order_id, twin, linked


async def test_what_was_ruled_out_by_a_word_is_not_adopted_after_the_attempt_it_led_to(bench: Bench) -> None:
    order_id, twin, linked = await beside_a_twin(bench)
    await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(60)
    assert bench.cloudpress.count("place Shop") == 2
    bench.cloudpress.tell(twin, site=linked)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != twin, (order.cloudpress_order_id_source, order.status)


async def test_a_word_to_adopt_in_the_midst_of_a_pass_outranks_its_look_up(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    bench.cloudpress.script["place"] = []
    order_id = await bench.order_among_others()  # cp-2 is ours; hidden, and another's twin is seen
    # ours is listed late
    plain = bench.cloudpress.orders
    bench.cloudpress.hides = lambda it: it == "cp-2"
    twin = bench.cloudpress.land("Shop")

    async def orders(**more: Any) -> Any:
        bench.cloudpress.orders = plain  # type: ignore[method-assign]
        await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id="cp-2", by=ROSA)
        return await plain(**more)

    bench.cloudpress.orders = orders  # type: ignore[method-assign]
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    events = [e.type for e in await bench.events(order_id)]
    assert order.cloudpress_order_id == "cp-2", (
        order.cloudpress_order_id,
        order.attention_code,
        events[-8:],
        twin,
    )


async def test_a_double_dismissed_in_the_midst_of_a_pass_is_not_asked_about_again(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place Shop") == 2
    held = order.cloudpress_order_id
    # the answer to the first attempt is recorded late
    first = bench.cloudpress.land("Shop")
    await answered_late(bench, order_id, first)
    await bench.work_for(60)
    assert (await bench.read(order_id)).suspected_duplicates == [first]
    plain = bench.cloudpress.order

    async def meanwhile(asked: str, **more: Any) -> Any:
        bench.cloudpress.order = plain  # type: ignore[method-assign]
        await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=Shown([first], 0))
        return await plain(asked, **more)

    bench.cloudpress.order = meanwhile  # type: ignore[method-assign,assignment]
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert first in (order.settled_duplicates or ())
    assert (order.suspected_duplicates, order.attention_code) == (None, None), (held, order.attention_detail)


async def test_no_order_adopts_what_another_holds_in_other_letters(bench: Bench) -> None:
    bench.use(CaseBlind(bench.clock))
    bench.cloudpress.script["place"] = [None, LOST]
    rosa = await bench.order("Rosa")
    await bench.work()
    ben = await bench.order("Ben")
    await bench.work()
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-1"
    await bench.work_for(60)
    bench.cloudpress.end("cp-1", "OK")
    with pytest.raises(NotResolvableError, match=str(rosa)):
        await request_resolution(bench.db, ben, action="adopt", cloudpress_order_id="CP-1", by=ROSA)


async def test_a_dismissal_in_the_midst_of_a_look_up(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    strangers = bench.cloudpress.land("A stranger's")
    await bench.work_for(2 * HOUR)
    assert strangers in ((await bench.read(order_id)).attention_detail or "")
    plain = bench.cloudpress.orders

    async def orders(**more: Any) -> Any:
        bench.cloudpress.orders = plain  # type: ignore[method-assign]
        await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
        return await plain(**more)

    bench.cloudpress.orders = orders  # type: ignore[method-assign]
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert strangers in (order.settled_duplicates or ())
    assert strangers not in (order.attention_detail or "")


async def test_a_callback_in_the_midst_of_a_pass_that_would_place(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    plain = bench.cloudpress.orders

    async def orders(**more: Any) -> Any:
        bench.cloudpress.orders = plain  # type: ignore[method-assign]
        await record_callback(bench.db, order_id, b'{"success": true}')
        return await plain(**more)

    bench.cloudpress.orders = orders  # type: ignore[method-assign]
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 1


async def test_what_is_adopted_is_held_as_cloudpress_writes_it(bench: Bench) -> None:
    bench.use(CaseBlind(bench.clock))
    order_id = await lost_and_hidden(bench)
    await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id="CP-2", by=ROSA)
    await bench.work_for(60)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"


@pytest.mark.parametrize("second", ["adopt", "fail"])
async def test_a_word_to_adopt_that_is_corrected_meanwhile_is_not_done(bench: Bench, second: str) -> None:
    order_id = await lost_and_hidden(bench)
    strangers = bench.cloudpress.land("A stranger's")
    plain = bench.cloudpress.order

    async def meanwhile(*asked: Any, **more: Any) -> Any:
        bench.cloudpress.order = plain  # type: ignore[method-assign]
        corrected = "cp-2" if second == "adopt" else None
        await request_resolution(bench.db, order_id, action=second, cloudpress_order_id=corrected, by=ROSA)
        return await plain(*asked, **more)

    await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id=strangers, by=ROSA)
    bench.cloudpress.order = meanwhile  # type: ignore[method-assign]
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == ("cp-2" if second == "adopt" else None)
    assert (order.status == "failed") == (second == "fail")


async def test_who_gives_up_does_not_undo_what_is_said_after_it(bench: Bench) -> None:
    order_id = await lost_and_hidden(bench)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    claims = (await bench.reconciler.claim(100)).claims
    await request_resolution(bench.db, order_id, action="adopt", cloudpress_order_id="cp-2", by=Actor("Ben"))
    for claim in claims:
        await bench.reconciler.work(claim)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"
