"""What has come in for an order, and no pass has seen, is settled by no word, whatever clocks show."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from app.orders.resolving import NotResolvableError
from app.orders.shown import NOTHING_SAID, Shown, UnseenError
from tests.reconciler.scripted import ACCOUNT, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import adopt
from tests.reconciler.test_answers_outrank_names import mixed_up as taken_for_rosas
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_dismissed_and_named import (
    found_by_name_with_a_double,
)
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look, lost_and_hidden

BY = Actor("operator")


async def suspected(bench: Bench) -> UUID:
    """Have a lost order be cp-2, which tells no name; a person is asked about it."""
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.tell("cp-2", site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    assert "cp-2" in ((await bench.read(order_id)).attention_detail or "")
    return order_id


async def told(bench: Bench, order_id: UUID) -> tuple[object, ...]:
    order = await bench.read(order_id)
    return (
        order.status,
        order.cloudpress_order_id,
        order.cloudpress_order_id_source,
        order.attention_code,
        order.attention_detail,
        order.settled_duplicates,
    )


@pytest.mark.parametrize("stepped", [0, -HOUR])
@pytest.mark.parametrize("says", [True, False])
async def test_a_clock_that_steps_back_after_an_answer_hides_it_from_no_word(
    bench: Bench, *, says: bool, stepped: float
) -> None:
    order_id = await suspected(bench)
    shown = await look(bench, order_id)
    await answered_late(bench, order_id, "cp-2")
    bench.clock.step(stepped)
    try:
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=shown if says else NOTHING_SAID)
        await bench.work_for(3 * HOUR)
        await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    except (UnseenError, NotResolvableError):
        pass
    await bench.work_for(3 * HOUR)
    assert bench.cloudpress.count("place Shop") == 1, await told(bench, order_id)


async def answered_without_a_token(bench: Bench, order_id: UUID, *, is_away: bool) -> None:
    """Have a late answer come in; if the account's token is away, that is what a person is asked about."""
    if is_away:
        bench.accounts.clear()
    await answered_late(bench, order_id, "cp-2")
    if is_away:
        await bench.work_for(60)
        assert (await bench.read(order_id)).attention_code == "account_unknown"


@pytest.mark.parametrize("is_away", [False, True])
async def test_an_answer_that_came_while_no_token_was_known_is_dismissed_by_no_word(
    bench: Bench, *, is_away: bool
) -> None:
    order_id = await suspected(bench)
    shown = await look(bench, order_id)
    await answered_without_a_token(bench, order_id, is_away=is_away)
    with suppress(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=shown)
    bench.accounts.add(ACCOUNT)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", (
        bench.cloudpress.count("place Shop"),
        await told(bench, order_id),
    )


@pytest.mark.parametrize("is_away", [False, True])
async def test_an_answer_that_came_while_no_token_was_known_does_not_have_it_bought_twice(
    bench: Bench, *, is_away: bool
) -> None:
    order_id = await suspected(bench)
    await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    bench.set(may_place_again=False)
    await answered_without_a_token(bench, order_id, is_away=is_away)
    with suppress(UnseenError):
        await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    bench.accounts.add(ACCOUNT)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 1, await told(bench, order_id)


def answer_while_it_lists(bench: Bench, order_id: UUID, failure: Exception) -> Callable[[], bool]:
    """Have the late answer come while a pass asks for the list, which fails; return whether it has come."""
    plain, asked_for = bench.cloudpress.orders, list[int]()

    async def meanwhile(*_asked: Any, **_more: Any) -> Any:
        bench.cloudpress.orders = plain  # type: ignore[method-assign]
        asked_for.append(1)
        await answered_late(bench, order_id, "cp-2")
        raise failure

    bench.cloudpress.orders = meanwhile  # type: ignore[method-assign]
    return lambda: bool(asked_for)


async def test_an_answer_that_comes_while_a_pass_is_refused_is_dismissed_by_no_word(bench: Bench) -> None:
    order_id = await suspected(bench)
    shown = await look(bench, order_id)
    has_come = answer_while_it_lists(bench, order_id, Refused(403, ("closed",), is_own_form=True))
    while not has_come():
        bench.clock.time = (await bench.read(order_id)).due_at or bench.clock.time
        await bench.work()
    assert (await bench.read(order_id)).attention_code == "credentials_refused"
    with suppress(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=shown)
    await bench.work_for(3 * HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2", (
        bench.cloudpress.count("place Shop"),
        await told(bench, order_id),
    )


async def test_a_word_to_adopt_settles_nothing_that_an_answer_has_just_named(bench: Bench) -> None:
    order_id = await suspected(bench)
    bench.set(may_place_again=False)
    await dismiss_duplicates(bench.db, order_id, by=BY, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    await answered_late(bench, order_id, "cp-2")
    with suppress(UnseenError):
        await adopt(bench, order_id, "cp-77")  # a slip
    await bench.work_for(HOUR)
    with suppress(UnseenError, NotResolvableError):
        await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 1, await told(bench, order_id)


async def test_a_word_takes_away_nothing_that_an_answer_has_just_named(bench: Bench) -> None:
    rosa, _ben = await taken_for_rosas(bench)
    sent = bench.cloudpress.count("place shop-2")
    shown = await look(bench, rosa)
    await answered_late(bench, rosa, "cp-2")
    with suppress(UnseenError, NotResolvableError):
        await bench.say(rosa, "place_again", by=BY, shown=shown)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place shop-2") == sent


@pytest.mark.parametrize("way", ["clock", "token"])
async def test_a_callback_that_no_pass_has_seen_is_not_dismissed_unseen(bench: Bench, way: str) -> None:
    order_id, double = await found_by_name_with_a_double(bench)
    shown = Shown(suspects=[double])
    await call_back(bench, order_id, int(double.removeprefix("cp-")))
    accounts = set(bench.accounts)
    if way == "clock":
        bench.clock.step(-HOUR)
    else:
        bench.accounts.clear()
        await bench.work_for(60)
    with suppress(UnseenError):
        await dismiss_duplicates(bench.db, order_id, by=BY, shown=NOTHING_SAID if way == "clock" else shown)
    bench.accounts.update(accounts)
    bench.cloudpress.end((await bench.read(order_id)).cloudpress_order_id or "", "OK")
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    told = order.cloudpress_order_id, order.cloudpress_order_id_source, order.status, order.settled_duplicates
    assert order.cloudpress_order_id == double or order.attention_code is not None, told


async def test_a_callback_after_which_a_clock_steps_back_is_not_overruled_unseen(bench: Bench) -> None:
    bench.set(may_place_again=False)
    bench.cloudpress.script["task 2"] = [NotFound(404)] * 500
    order_id = await lost_and_hidden(bench)
    await call_back(bench, order_id, 9)  # names nothing that is ever shown
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_called_back"
    await call_back(bench, order_id, 2)
    bench.clock.step(-HOUR)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(3 * HOUR)
    assert bench.cloudpress.count("place Shop") == 1


async def test_a_callback_that_a_pass_has_seen_and_nobody_was_told_of_is_not_overruled(bench: Bench) -> None:
    """The grace goes on, so no person is asked about the order yet."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await call_back(bench, order_id, 9)  # names nothing that is ever shown
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", None)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(3 * HOUR)
    assert bench.cloudpress.count("place Shop") == 1
    assert (await bench.read(order_id)).attention_code == "placement_called_back"
