"""What an operator decides holds only for what he was shown: something may come in before his word does."""

from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import NotFound
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.resolving import NotResolvableError
from app.orders.shown import Shown, UnseenError, count_callbacks
from app.orders.suspects import find_suspects
from app.reconciler.passes import Pass
from tests.reconciler.scripted import GRACE_SECONDS, HOUR, LOST, Bench

LONG = 5 * GRACE_SECONDS
ROSA = Actor("Rosa")
OURS = "cp-2"
CALLBACK = b'{"task": {"id": 2}}'


def posts(bench: Bench) -> int:
    return bench.cloudpress.count("place Shop")


async def lost_and_hidden(bench: Bench) -> UUID:
    """Have an order land as `cp-2` whose answer is lost, which no list shows yet, and nothing adopts."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell(OURS, site=None)
    bench.cloudpress.hides = lambda listed: listed == OURS
    return order_id


async def look(bench: Bench, order_id: UUID) -> Shown:
    """Look at an order as an operator does."""
    async with bench.db.read() as session:
        order = await bench.read(order_id)
        found = await find_suspects(session, order)
        return Shown([it.cloudpress_order_id for it in found], await count_callbacks(session, order))


async def state(bench: Bench, order_id: UUID) -> tuple[object, ...]:
    order = await bench.read(order_id)
    events = [event.id for event in await bench.events(order_id)]
    return order.status, order.attention_detail, order.resolution, order.settled_duplicates, events


async def landed_unseen(bench: Bench, order_id: UUID) -> None:
    """Have a look-up find it."""
    bench.cloudpress.hides = lambda _listed: False
    await bench.work_for(2 * GRACE_SECONDS)
    assert OURS in ((await bench.read(order_id)).attention_detail or "")


@pytest.mark.parametrize("word", ["dismiss_duplicates", "place_again", "fail"])
async def test_an_order_that_shows_up_between_look_and_word_is_not_overruled(bench: Bench, word: str) -> None:
    order_id = await lost_and_hidden(bench)
    strangers = bench.cloudpress.land("A stranger's")
    await bench.work_for(2 * GRACE_SECONDS)
    shown = await look(bench, order_id)
    assert shown.suspects == [strangers]
    await landed_unseen(bench, order_id)
    before = await state(bench, order_id)
    with pytest.raises(UnseenError, match=OURS) as refused:
        await bench.say(order_id, word, by=ROSA, shown=shown)
    assert (refused.value.suspects, refused.value.callbacks) == ([OURS], 0)
    assert await state(bench, order_id) == before, "nothing is changed"
    await bench.work_for(LONG)
    assert posts(bench) == 1
    assert (await bench.read(order_id)).attention_code == "placement_suspected"


@pytest.mark.parametrize("word", ["place_again", "fail"])
async def test_a_callback_between_look_and_word_is_not_overruled(bench: Bench, word: str) -> None:
    bench.set(may_place_again=False)
    bench.cloudpress.script["task 2"] = [NotFound(404)] * 500
    order_id = await lost_and_hidden(bench)
    await bench.work_for(2 * GRACE_SECONDS)
    shown = await look(bench, order_id)
    await record_callback(bench.db, order_id, CALLBACK)
    with pytest.raises(UnseenError, match="a callback was let in") as refused:
        await bench.say(order_id, word, by=ROSA, shown=shown)
    assert (refused.value.suspects, refused.value.callbacks) == ([], 1)
    await bench.work_for(LONG)
    assert (posts(bench), (await bench.read(order_id)).attention_code) == (1, "placement_called_back")


@pytest.mark.parametrize("says", [True, False])
async def test_who_has_seen_all_has_the_last_word(bench: Bench, *, says: bool) -> None:
    bench.cloudpress.script["task 2"] = [NotFound(404)] * 500
    order_id = await lost_and_hidden(bench)
    bench.cloudpress.land("A stranger's")
    await landed_unseen(bench, order_id)
    await record_callback(bench.db, order_id, CALLBACK)
    shown = await look(bench, order_id)
    assert shown.callbacks == 1
    if says:
        await bench.say(order_id, "place_again", by=ROSA, shown=shown)
        await bench.say(order_id, "place_again", by=ROSA, shown=shown)  # one who clicks twice
    else:
        # One who does not say is told of what he cannot have seen, one after the other, and then believed.
        for _ in range(2):
            await bench.say(order_id, "place_again", by=ROSA)
            await bench.work_for(GRACE_SECONDS)
    await bench.work_for(GRACE_SECONDS)
    assert posts(bench) == 2


async def test_of_one_who_does_not_say_what_he_saw_only_what_attention_tells_is_dismissed(
    bench: Bench,
) -> None:
    order_id = await lost_and_hidden(bench)
    strangers = bench.cloudpress.land("A stranger's")
    await bench.work_for(2 * GRACE_SECONDS)
    told = (await bench.read(order_id)).attention_detail
    await landed_unseen(bench, order_id)
    async with bench.db.write() as tx:
        # As it is where the pass that found it has to wait before it tells.
        order = await tx.session.get_one(type(await bench.read(order_id)), order_id)
        order.attention_detail = told
    dismissed = await dismiss_duplicates(bench.db, order_id, by=ROSA)
    assert dismissed is not None
    assert dismissed.settled_duplicates == [strangers]
    await bench.work_for(LONG)
    assert posts(bench) == 1
    assert OURS in ((await bench.read(order_id)).attention_detail or "")


async def test_of_one_who_does_not_say_what_he_saw_nothing_is_dismissed_that_nobody_told(
    bench: Bench,
) -> None:
    order_id = await lost_and_hidden(bench)
    await landed_unseen(bench, order_id)
    async with bench.db.write() as tx:
        order = await tx.session.get_one(type(await bench.read(order_id)), order_id)
        order.attention_detail = f"CloudPress has {OURS}0, x{OURS} and others."
    with pytest.raises(NotResolvableError, match="suspects"):
        await dismiss_duplicates(bench.db, order_id, by=ROSA)


async def test_many_are_dismissed_as_they_are_told(bench: Bench) -> None:
    """Attention names five, and says that there are others."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    strangers = [bench.cloudpress.land(f"A stranger's {number}") for number in range(7)]
    await bench.work_for(2 * GRACE_SECONDS)
    await dismiss_duplicates(bench.db, order_id, by=ROSA)
    assert len((await bench.read(order_id)).settled_duplicates or ()) == 5
    await bench.work_for(GRACE_SECONDS)
    assert posts(bench) == 1
    await dismiss_duplicates(bench.db, order_id, by=ROSA)
    assert (await bench.read(order_id)).settled_duplicates == sorted(strangers)


async def test_a_double_that_shows_up_between_look_and_word_is_not_dismissed(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    first, second = bench.cloudpress.land("Shop"), bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b'{"task_id": 2}')
    await bench.work()
    shown = await look(bench, order_id)
    assert shown == Shown([first], 1)
    await record_callback(bench.db, order_id, b'{"task_id": 3}')
    await bench.work()
    with pytest.raises(UnseenError, match=second):
        await bench.say(order_id, "dismiss_duplicates", by=ROSA, shown=shown)
    await bench.say(order_id, "dismiss_duplicates", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (order.attention_code, order.settled_duplicates) == (None, [first, second])


async def test_a_word_to_place_again_is_not_done_by_a_list_that_was_read_before_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a long list some pages were read before, and what came since is on none of the others."""
    has_time = Pass.has_time
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(2 * GRACE_SECONDS)
    shown = await look(bench, order_id)
    plain = bench.cloudpress.orders

    async def meanwhile(*asked: Any, **more: Any) -> Any:
        answer = await plain(*asked, **more)
        bench.cloudpress.orders = plain  # type: ignore[method-assign]
        await bench.say(order_id, "place_again", by=ROSA, shown=shown)
        bench.cloudpress.land("Shop")
        monkeypatch.setattr(Pass, "has_time", out_of_time)
        return answer

    def out_of_time(_this: Pass) -> bool:
        monkeypatch.setattr(Pass, "has_time", has_time)
        return False

    bench.cloudpress.orders = meanwhile  # type: ignore[method-assign]
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 1
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-3"
