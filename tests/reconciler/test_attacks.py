"""Worlds that were thought up by somebody who had not seen the code written.

In each an order could be bought twice, or get what is another's, without anybody being told.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, OrderDetails, Refused
from app.db.models import Order, Placement
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.callbacks import record_callback
from app.orders.waking import make_due
from app.states import PostOutcome
from tests.reconciler.scripted import GRACE_SECONDS, LOST, Bench

LONG = 5 * GRACE_SECONDS
ROSA = Actor("Rosa")


async def test_a_proxys_503_with_retry_after_says_nothing_of_what_its_backend_did(bench: Bench) -> None:
    """Varnish's own page says `Retry-After: 5` wherever a backend breaks off, whatever that had done."""
    broken_off = Refused(503, ("Error 503 Backend fetch failed",), 5.0, is_known_host=True)
    bench.cloudpress.script["answer"] = [None, broken_off]
    order_id = await bench.order_among_others()
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place Shop") == 1
    assert (order.status, order.cloudpress_order_id) == ("provisioning", "cp-2")


async def lost_and_hidden(bench: Bench) -> UUID:
    """Have an order land as `cp-2` whose answer is lost and that no list shows; a person is asked."""
    bench.set(may_place_again=False)
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    return order_id


async def called_back(bench: Bench, order_id: UUID) -> None:
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')


async def answered_late(bench: Bench, order_id: UUID, named: str = "cp-2") -> None:
    """Record the answer as whoever has lost the lease does."""
    async with bench.db.write() as tx:
        placement = await tx.session.get_one(Placement, (order_id, 1))
        placement.outcome, placement.cloudpress_order_id = PostOutcome.PLACED, named
        placement.answered_at = tx.now
        record(tx, order_id, EventType.PLACEMENT_ENDED, attempt=1, cloudpress_order_id=named)
        make_due(tx, await tx.session.get_one(Order, order_id))


@pytest.mark.parametrize("news", [called_back, answered_late])
async def test_who_gives_an_order_up_is_told_that_cloudpress_has_it_all_the_same(
    bench: Bench, news: Callable[[Bench, UUID], Awaitable[None]]
) -> None:
    order_id = await lost_and_hidden(bench)
    await news(bench, order_id)
    await bench.say(order_id, "fail", by=ROSA)
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", "suspected_duplicate")
    assert order.suspected_duplicates == ["cp-2"]


@pytest.mark.parametrize("tells_name", [True, False])
async def test_a_word_to_place_again_has_the_list_read_also_after_a_refusal_for_now(
    bench: Bench, *, tells_name: bool
) -> None:
    """A callback shows that the refusal was not all that happened."""
    bench.cloudpress.script["answer"] = [None, Refused(429, ("not now",), 600.0, is_own_form=True)]
    order_id = await bench.order_among_others()
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    bench.cloudpress.script["task 2"] = [NotFound(404)] * 500
    await called_back(bench, order_id)
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_called_back"
    if not tells_name:
        bench.cloudpress.tell("cp-2", site=None)
    bench.cloudpress.hides = lambda _listed: False
    await bench.say(order_id, "place_again", by=ROSA)
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place Shop") == 1
    assert order.cloudpress_order_id == "cp-2" or "cp-2" in (order.attention_detail or "")


@pytest.mark.parametrize("word", ["dismiss_duplicates", "place_again"])
async def test_what_an_operator_rules_out_while_a_pass_looks_is_not_adopted_by_it(
    bench: Bench, word: str
) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    twin = bench.cloudpress.land("Shop")
    unpaid = bench.cloudpress.orders_made[twin]
    bench.cloudpress.tell(twin, site=None)
    await bench.work_for(2 * GRACE_SECONDS)
    assert twin in ((await bench.read(order_id)).attention_detail or "")
    bench.cloudpress.orders_made[twin] = unpaid
    plain = bench.cloudpress.order

    async def meanwhile(asked: str, **more: Any) -> Answer[OrderDetails]:
        bench.cloudpress.order = plain  # type: ignore[method-assign]
        await bench.say(order_id, word, by=ROSA)
        return await plain(asked, **more)

    bench.cloudpress.order = meanwhile  # type: ignore[method-assign, assignment]
    await bench.work_for(LONG)
    assert (await bench.read(order_id)).cloudpress_order_id != twin


async def test_an_order_of_the_same_name_is_not_adopted_where_no_age_is_told(bench: Bench) -> None:
    old = bench.cloudpress.land("Shop")
    bench.clock.time += timedelta(days=30)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    for made in bench.cloudpress.orders_made:
        bench.cloudpress.tell(made, created_at=None)
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.attention_code) == (None, "placement_suspected")
    assert old in (order.attention_detail or "")


@pytest.mark.parametrize("is_alone", [True, False])
async def test_an_order_from_before_is_not_adopted_where_times_are_told_in_a_zone_that_is_ahead(
    bench: Bench, *, is_alone: bool
) -> None:
    bench.cloudpress.zone = timedelta(hours=2)
    old = bench.cloudpress.land("Shop")
    bench.clock.time += timedelta(hours=1)
    bench.cloudpress.script["place"] = [LOST] if is_alone else [None, LOST]
    order_id = await (bench.order() if is_alone else bench.order_among_others())
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is None
    assert old in (order.attention_detail or "")


async def test_nor_is_one_whose_zone_makes_it_as_old_as_ours(bench: Bench) -> None:
    """It was made two hours before ours, and is told as two hours younger: as made when ours was sent."""
    bench.cloudpress.zone = timedelta(hours=2)
    old = bench.cloudpress.land("Shop")
    bench.clock.time += bench.cloudpress.zone
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is None
    assert old in (order.attention_detail or "")
