"""What was asked, and said, about what an order had by its name ends once CloudPress names what it is."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import NotFound
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from app.reconciler.asking_others import have_others_asked
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_foreign_links import change_task
from tests.reconciler.test_had_and_replaced import has_anothers
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
ASKED = "app.reconciler.duplicates.have_others_asked"
World = Callable[[Bench], Awaitable[UUID]]


async def gone(bench: Bench) -> UUID:
    """Have an order by its name what CloudPress answers 404 for, for a day: a person is asked."""
    order_id, anothers = await has_anothers(bench, "RUNNING")
    del bench.cloudpress.tasks[int(anothers.removeprefix("cp-"))]
    # So that no later one gets its number.
    bench.cloudpress.orders_made["gone"] = bench.cloudpress.orders_made.pop(anothers)
    bench.cloudpress.hides = lambda it: it == "gone"
    await bench.work_for(DAY + 2 * HOUR)
    assert (await bench.read(order_id)).attention_code == "not_found"
    return order_id


async def foreign(bench: Bench) -> UUID:
    """The same where the task that CloudPress lists with it names another one."""
    order_id, anothers = await has_anothers(bench, "RUNNING")
    change_task(bench, int(anothers.removeprefix("cp-")), order_ids=("cp-99",))
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "foreign_link"
    return order_id


async def without_site(bench: Bench) -> UUID:
    """The same where CloudPress has finished, and links no site."""
    order_id, anothers = await has_anothers(bench, "RUNNING")
    bench.cloudpress.tell(anothers, site=None)
    change_task(bench, int(anothers.removeprefix("cp-")), site_ids=(), status="OK")
    await bench.work_for(DAY + 2 * HOUR)
    assert (await bench.read(order_id)).attention_code == "site_missing"
    return order_id


async def unanswered(bench: Bench) -> UUID:
    """The same where each look has met with a failure."""
    order_id, anothers = await has_anothers(bench, "RUNNING")
    bench.cloudpress.script[f"order {anothers}"] = [LOST] * 10_000
    await bench.work_for(DAY + 2 * HOUR)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    return order_id


async def without_page(bench: Bench) -> UUID:
    """The same where nobody can pay at the address that CloudPress gives."""
    order_id, anothers = await has_anothers(bench, "RUNNING")
    bench.cloudpress.tell(anothers, odd_payment_url="/checkout", asks_for_payment=True)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "payment_url_unusable"
    return order_id


async def named(bench: Bench, order_id: UUID, own: str, by: str) -> None:
    """Have CloudPress name what an order is."""
    if by == "answer":
        await answered_late(bench, order_id, own)
    else:
        await call_back(bench, order_id, int(own.removeprefix("cp-")))


async def has_gone_on(bench: Bench, order_id: UUID, own: str) -> None:
    """Have CloudPress finish an order, and see that it is told, and that the word is as one not done."""
    await bench.work_for(60)
    bench.cloudpress.end(own, "OK")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    told = order.attention_code, order.attention_detail
    assert (order.cloudpress_order_id, order.status) == (own, "completed"), told
    assert order.resolution is None
    assert len(await bench.events(order_id, "order.resolution_impossible")) == 1


@pytest.mark.parametrize("by", ["answer", "callback"])
@pytest.mark.parametrize("world", [gone, foreign, without_site, unanswered])
async def test_a_word_to_fail_it_does_not_fail_what_replaces_it(bench: Bench, world: World, by: str) -> None:
    order_id = await world(bench)
    own = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await named(bench, order_id, own, by)
    await has_gone_on(bench, order_id, own)


async def test_nor_does_it_where_something_is_wrong_with_that_as_well(bench: Bench) -> None:
    """The same is asked about another one then, and nobody has spoken of that."""
    order_id = await foreign(bench)
    own = bench.cloudpress.land("Shop", status="RUNNING")
    change_task(bench, int(own.removeprefix("cp-")), order_ids=("cp-98",))
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await answered_late(bench, order_id, own)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.status) == (own, "provisioning")
    assert order.attention_code == "foreign_link"


async def in_the_midst(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, order_id: UUID, happens: Callable[[], Awaitable[None]]
) -> None:
    """Have something happen once, in the pass that finds what replaces what an order has."""

    async def meanwhile(this: Any, asked: Any) -> None:
        if this.order.id == order_id and this.has_found_another:
            monkeypatch.setattr(ASKED, have_others_asked)
            await happens()
        await have_others_asked(this, asked)

    monkeypatch.setattr(ASKED, meanwhile)


async def test_nor_does_one_that_is_said_in_the_midst_of_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He still sees what was asked about the former, and the next pass meets with the same at the new one."""
    order_id = await foreign(bench)
    own = bench.cloudpress.land("Shop", status="RUNNING")
    change_task(bench, int(own.removeprefix("cp-")), order_ids=("cp-98",))

    async def said() -> None:
        await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))

    await in_the_midst(bench, monkeypatch, order_id, said)
    await answered_late(bench, order_id, own)
    await bench.work_for(HOUR / 4)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", "foreign_link")
    change_task(bench, int(own.removeprefix("cp-")), order_ids=(own,))
    await has_gone_on(bench, order_id, own)


async def test_a_pass_that_looked_at_nothing_does_no_word(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has found is another's by then, and what the order has is shown again."""
    order_id = await gone(bench)
    ben = await bench.order("Ben")
    await bench.work()
    made = bench.cloudpress.land("Shop", status="RUNNING")

    async def taken() -> None:
        async with bench.db.write() as tx:
            his = await tx.session.get_one(Order, ben)
            his.cloudpress_order_id, his.cloudpress_order_id_source = made, "answer"

    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await answered_late(bench, order_id, made)
    bench.cloudpress.orders_made["cp-2"] = bench.cloudpress.orders_made.pop("gone")
    await in_the_midst(bench, monkeypatch, order_id, taken)
    await bench.work()
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.status) == ("cp-2", "provisioning")


async def test_the_word_holds_where_the_answer_names_what_it_has(bench: Bench) -> None:
    order_id = await foreign(bench)
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await answered_late(bench, order_id, (await bench.read(order_id)).cloudpress_order_id or "")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "failed"


@pytest.mark.parametrize("world", [gone, foreign, without_site, unanswered, without_page])
async def test_what_was_asked_about_it_is_not_asked_about_what_replaces_it(
    bench: Bench, world: World
) -> None:
    """Nothing is learned of that yet."""
    order_id = await world(bench)
    own = bench.cloudpress.land("Shop", status="RUNNING")
    bench.cloudpress.script[f"order {own}"] = [LOST] * 10_000
    await answered_late(bench, order_id, own)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.attention_code) == (own, None), order.attention_detail


async def test_what_replaces_it_is_cancelled_for_whoever_wanted_that(bench: Bench) -> None:
    order_id = await gone(bench)
    bench.cloudpress.script["cancel"] = [NotFound(404, ("not found",), is_own_form=True)]
    await request_cancel(bench.db, order_id, by=BY)
    await bench.work()
    own = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.say(order_id, "fail", by=BY, shown=await look(bench, order_id))
    await answered_late(bench, order_id, own)
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.status) == (own, "cancelled")
    assert bench.cloudpress.tasks[int(own.removeprefix("cp-"))].status == "CANCELLED"
