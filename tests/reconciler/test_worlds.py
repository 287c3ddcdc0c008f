"""Worlds that no page of the provider rules out, beyond those of `test_never_twice.py`.

In each an order has landed and its answer is lost. It is bought once, or a person was told before.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, OrderSummary, Refused
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.states import AttentionCode, OrderStatus
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import GRACE_SECONDS, LOST, Bench, ScriptedCloudPress, SetClock

LONG = 5 * GRACE_SECONDS
ROSA, BEN = Actor("Rosa"), Actor("Ben")
"""Two operators."""


def posts(bench: Bench) -> int:
    return bench.cloudpress.count("place Shop")


async def lost_among_others(bench: Bench) -> UUID:
    """Have an order land as `cp-2` whose answer is lost, between two that go well."""
    bench.cloudpress.script["answer"] = [None, LOST]
    return await bench.order_among_others()


async def check_bought_once(bench: Bench, order_id: UUID, reason: str = "") -> None:
    """Check that it was sent once, and is held, or asks a person."""
    assert posts(bench) == 1, reason
    order = await bench.read(order_id)
    assert order.cloudpress_order_id in {"cp-2", None}, reason
    assert order.cloudpress_order_id or order.attention_code in set(AttentionCode), reason


@pytest.mark.parametrize("hours", [1, 24, 24 * 30])
async def test_an_order_from_before_is_not_adopted_by_its_name_where_no_age_is_proven(
    bench: Bench, hours: int
) -> None:
    old = bench.cloudpress.land("Shop")
    bench.cloudpress.tell(old, created_at=bench.cloudpress.now - timedelta(hours=hours))
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
    assert old in (order.attention_detail or ""), "a person is asked about it"
    assert bench.cloudpress.count("place") == 1


@pytest.mark.parametrize(
    ("created_at", "reason"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "the default of a column"),
        (datetime(1, 1, 1, tzinfo=UTC), "a date of naught"),
        (datetime(2026, 11, 23, 11, 1, tzinfo=UTC), "another of its servers, an hour behind"),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), "a day without a time"),
        (datetime(2026, 11, 22, 22, 1, tzinfo=UTC), "another zone"),
        (datetime(2031, 1, 1, tzinfo=UTC), "a time to come"),
        (None, "nothing"),
    ],
)
async def test_an_age_that_is_told_otherwise_of_the_one_order_alone(
    bench: Bench, created_at: datetime | None, reason: str
) -> None:
    order_id = await lost_among_others(bench)
    bench.cloudpress.tell("cp-2", created_at=created_at)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, reason)


async def test_the_first_of_attempts_that_lie_days_apart(bench: Bench) -> None:
    order_id = await lost_among_others(bench)
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    await bench.work_for(GRACE_SECONDS / 2)
    bench.cloudpress.hides = lambda listed: listed != "cp-1"
    await bench.work_for(GRACE_SECONDS)
    bench.clock.time += timedelta(days=2)
    await bench.say(order_id, "place_again", by=ROSA)
    bench.cloudpress.script["place"] = [LOST]
    await bench.work_for(GRACE_SECONDS / 2)
    assert posts(bench) == 2, "it was sent again, and came to nothing"
    bench.cloudpress.hides = lambda _listed: False
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id == "cp-2" or "cp-2" in (order.attention_detail or "")
    assert posts(bench) == 2


async def test_a_list_that_drops_what_is_newest(bench: Bench) -> None:
    order_id = await lost_among_others(bench)
    bench.cloudpress.hides = lambda listed: listed != "cp-1"
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)


class Shifting(ScriptedCloudPress):
    """Lists the newest first, in pages of two; between two pages something `happens`."""

    def __init__(self, clock: SetClock) -> None:
        """Shift nothing yet."""
        super().__init__(clock)
        self.happens: Callable[[], object] = lambda: None
        self.gone: set[str] = set()

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List a page, and have the list shift behind it."""
        self._next("orders")
        shown = [order for order in reversed(self.orders_made.values()) if order.id not in self.gone]
        listed = shown[(page - 1) * 2 : page * 2]
        if page == 1:
            self.happens()
        names = {"id", "status", "created_at", "variant", "account_id"}
        return self._answer(tuple(OrderSummary(**order.model_dump(include=names)) for order in listed))


@pytest.fixture
async def shifting(bench: Bench) -> Bench:
    """A bench whose CloudPress has a list that shifts."""
    bench.use(Shifting(bench.clock))
    return bench


async def test_pages_onto_which_new_orders_push_old_ones(shifting: Bench) -> None:
    order_id = await lost_among_others(shifting)
    here = shifting.cloudpress
    assert isinstance(here, Shifting)
    here.happens = lambda: here.land("A stranger's")
    await shifting.work_for(LONG)
    await check_bought_once(shifting, order_id)


async def test_pages_from_which_an_order_that_is_gone_pulls_others(shifting: Bench) -> None:
    """The list is [After, stranger's | ours, Before]; each time a stranger's is gone once page 1 was read."""
    here = shifting.cloudpress
    assert isinstance(here, Shifting)
    here.script["answer"] = [None, LOST]
    await shifting.order("Before")
    await shifting.work()
    shifting.clock.time += timedelta(seconds=60)
    order_id = await shifting.order("Shop")
    await shifting.work()
    shifting.clock.time += timedelta(seconds=1)
    here.land("A stranger's")
    shifting.clock.time += timedelta(seconds=60)
    await shifting.order("After")
    here.happens = lambda: here.gone.add("cp-3")
    await shifting.work_for(LONG)
    await check_bought_once(shifting, order_id)


async def test_a_list_that_shows_an_order_twice(bench: Bench) -> None:
    order_id = await lost_among_others(bench)
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    plain = bench.cloudpress.orders

    async def twice(**asked: Any) -> Answer[tuple[OrderSummary, ...]]:
        answer = await plain(**asked)
        again = tuple(it.model_copy(update={"status": "cancelled"}) for it in answer.value[:1])
        return replace(answer, value=(*answer.value, *again))

    bench.cloudpress.orders = twice  # type: ignore[method-assign]
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)


async def test_a_list_that_is_not_there(bench: Bench) -> None:
    order_id = await lost_among_others(bench)
    bench.cloudpress.script["orders"] = [NotFound(404)] * 500
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)


async def test_another_host_that_has_none_of_our_orders(bench: Bench) -> None:
    order_id = await lost_among_others(bench)
    bench.cloudpress.orders_made.clear()
    bench.cloudpress.land("One of that host")
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)


async def test_an_order_that_is_deleted_and_then_called_back(bench: Bench) -> None:
    order_id = await lost_among_others(bench)
    kept = bench.cloudpress.orders_made.pop("cp-2")
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)
    bench.cloudpress.orders_made["cp-2"] = kept
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)


async def test_a_word_that_two_operators_give_and_a_callback_in_between(bench: Bench) -> None:
    """Neither of them has seen the callback: both looked at the order before."""
    order_id = await lost_among_others(bench)
    bench.cloudpress.hides = lambda listed: listed != "cp-1"
    bench.cloudpress.script["task 2"] = [NotFound(404)] * 500
    await bench.work_for(2 * GRACE_SECONDS)
    await bench.say(order_id, "place_again", by=ROSA)
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')
    await bench.say(order_id, "place_again", by=BEN)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id)
    assert (await bench.read(order_id)).attention_code == AttentionCode.PLACEMENT_CALLED_BACK


async def test_a_word_that_is_given_twice_is_done_once(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda _listed: True
    await bench.work_for(2 * GRACE_SECONDS)
    for operator in (ROSA, BEN, ROSA):
        await bench.say(order_id, "place_again", by=operator)
    await bench.work_for(LONG)
    assert posts(bench) == 2
    assert (await bench.read(order_id)).cloudpress_order_id is not None


@EVERY_LOOK
async def test_people_decide_also_where_the_operator_says_so_at_the_last_moment(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    # CloudPress asks for a moment, so that a restart with PLACE_AGAIN=never comes before the request.
    bench.cloudpress.script["place"] = [
        Refused(429, ("not now",), 30.0, is_own_form=True, is_known_host=True)
    ]
    for _ in range(200):
        if bench.cloudpress.count("place") == 4:
            break
        await bench.work_for(5)
    assert (await bench.read(order_id)).status == OrderStatus.PENDING
    bench.set(may_place_again=False)
    await bench.work_for(LONG)
    assert posts(bench) == 2, "the one that was lost, and the one that was refused"
    assert (await bench.read(order_id)).attention_code == AttentionCode.PLACEMENT_UNCONFIRMED
