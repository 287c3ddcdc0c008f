"""However CloudPress mixes up its answers, nobody gets another's site who was called back about his own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, Placed, SiteRef, TaskRef
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.erasing import erase_order
from app.orders.resolving import request_resolution
from app.orders.shown import Shown
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_mixed_up_answers import call_back, mixed_up


def answers(bench: Bench, *given: tuple[str, int] | Exception) -> None:
    """Have the next POSTs, which all make their order, be answered with these orders and tasks."""
    left = list(given)
    plain = bench.cloudpress.place

    async def place(*sent: Any, **more: Any) -> Answer[Placed]:
        placed = await plain(*sent, **more)
        if not left:
            return placed
        told = left.pop(0)
        if isinstance(told, Exception):
            raise told
        order_id, task_id = told
        task = TaskRef(id=task_id, status="RUNNING")
        return Answer(Placed(order_id=order_id, task=task), b"{}", bench.cloudpress.now)

    bench.cloudpress.place = place  # type: ignore[method-assign]


async def before(bench: Bench) -> None:
    """Have an order of the account go well, as `mixed_up` does."""
    await bench.complete_one_before()


async def sent(bench: Bench, *given: tuple[str, int] | Exception) -> tuple[UUID, UUID]:
    """Have an order go well before Rosa's and Ben's are sent, which are answered so."""
    await before(bench)
    answers(bench, *given)
    rosa, ben = await bench.order("Rosa"), await bench.order("Ben")
    await bench.work()
    return rosa, ben


async def both_call_back(bench: Bench, rosa: UUID, ben: UUID) -> None:
    """Have `cp-2`, which is hers, and `cp-3`, which is his, end and call back."""
    end(bench, "cp-2", "cp-3")
    await call_back(bench, rosa, 2)
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)


def end(bench: Bench, *order_ids: str, status: str = "OK") -> None:
    for order_id in order_ids:
        bench.cloudpress.end(order_id, status)


async def has_not_anothers_site(bench: Bench, order_id: UUID, anothers: str) -> None:
    order = await bench.read(order_id)
    assert await bench.known_site(order_id) != anothers, (order.status, order.attention_detail)


async def test_a_callback_that_comes_before_the_others_answer_is_read(bench: Bench) -> None:
    """The contract: it can arrive before the answer to `POST /api/orders` has been read."""
    await before(bench)
    rosa = await bench.order("Rosa")
    plain = bench.cloudpress.place

    async def both(*sent: Any, **more: Any) -> Answer[Placed]:
        """Hers is made, his as well, whose POST is under way; hers is answered with his."""
        await plain(*sent, **more)
        assert bench.cloudpress.land("Ben", status="RUNNING") == "cp-3"
        return Answer(Placed(order_id="cp-3", task=TaskRef(id=3, status="RUNNING")), b"{}", bench.clock.time)

    bench.cloudpress.place = both  # type: ignore[method-assign]
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, rosa, 2)
    await bench.work()  # nobody holds cp-2 yet: his answer has not been read

    async def his(*_sent: Any, **_more: Any) -> Answer[Placed]:
        return Answer(Placed(order_id="cp-2", task=TaskRef(id=2, status="RUNNING")), b"{}", bench.clock.time)

    bench.cloudpress.place = his  # type: ignore[method-assign]
    ben = await bench.order("Ben")
    await bench.work()
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-3")


def forget_task(bench: Bench) -> None:
    del bench.cloudpress.tasks[2]


def forget_order(bench: Bench) -> None:
    del bench.cloudpress.orders_made["cp-2"]


def rename_site(bench: Bench) -> None:
    """Its user has called his site otherwise."""
    bench.cloudpress.sites["site-2"] = "Rosa's flowers"
    bench.cloudpress.tell("cp-2", site=SiteRef(id="site-2", name="Rosa's flowers"))


@pytest.mark.parametrize("change", [forget_task, forget_order, rename_site])
@pytest.mark.parametrize("status", ["OK", "FAILED"])
async def test_what_was_found_mixed_up_stays_so_until_its_own_callback_or_the_operator(
    bench: Bench, change: Callable[[Bench], None], status: str
) -> None:
    """Nothing is taken from what it holds until its true callback comes or an operator dismisses it."""
    rosa, _ben = await mixed_up(bench)
    end(bench, "cp-2", status=status)
    await call_back(bench, rosa, 2)
    await bench.work_for(60)
    assert "mixed up" in ((await bench.read(rosa)).attention_detail or "")
    end(bench, "cp-3")
    change(bench)
    await bench.skim(3 * DAY)
    await has_not_anothers_site(bench, rosa, "site-3")
    assert "mixed up" in ((await bench.read(rosa)).attention_detail or "")


def numbered(name: str) -> str:
    """Name a site as some providers do: nothing is left of what was sent."""
    return f"wp {len(name)}"


@pytest.mark.parametrize("is_first_of_account", [True, False])
@pytest.mark.parametrize("both_call_back_first", [True, False])
@pytest.mark.parametrize("tidies", [str.lower, numbered])
async def test_where_names_are_told_otherwise(
    bench: Bench, tidies: Callable[[str], str], *, is_first_of_account: bool, both_call_back_first: bool
) -> None:
    """The contract does not say that a name is kept as it was sent."""
    bench.cloudpress.tidies = tidies
    if not is_first_of_account:
        await before(bench)
    first, second = ("cp-1", "cp-2") if is_first_of_account else ("cp-2", "cp-3")
    number, others = int(first[3:]), int(second[3:])
    answers(bench, (second, others), (first, number))
    rosa, ben = await bench.order("Rosa"), await bench.order("Ben")
    await bench.work()
    assert (await bench.read(rosa)).cloudpress_order_id == second
    end(bench, first, second)
    await call_back(bench, rosa, number)
    if both_call_back_first:
        await call_back(bench, ben, others)
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, f"site-{others}")


async def test_an_answer_that_names_anothers_order_and_the_own_task(bench: Bench) -> None:
    """The task says whose it is: it names the other CloudPress order. (Invariant 12: a task must name it.)"""
    rosa, ben = await sent(bench, ("cp-3", 2), ("cp-2", 3))
    await both_call_back(bench, rosa, ben)
    await has_not_anothers_site(bench, rosa, "site-3")
    await has_not_anothers_site(bench, ben, "site-2")


async def test_one_is_answered_with_anothers_and_the_other_with_its_own(bench: Bench) -> None:
    """One-sided: nobody holds hers. Her callback names hers, and his names what she holds."""
    rosa, ben = await sent(bench, ("cp-3", 3), ("cp-3", 3))
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    assert (await bench.read(ben)).status == "unconfirmed"
    await both_call_back(bench, rosa, ben)
    await has_not_anothers_site(bench, rosa, "site-3")


async def test_the_other_has_found_it_by_look_up(bench: Bench) -> None:
    """Both have one name. His answer is lost, and a look-up gives him hers; her own callback names that."""
    await before(bench)
    answers(bench, ("cp-3", 3), LOST)
    rosa, ben = await bench.order("Shop"), await bench.order("Shop")
    await bench.work()
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    await bench.work_for(HOUR)
    found = await bench.read(ben)
    assert (found.cloudpress_order_id, found.cloudpress_order_id_source) == ("cp-2", "lookup")
    end(bench, "cp-2", "cp-3")
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-3")


async def test_orders_of_two_accounts_that_one_token_sees(bench: Bench) -> None:
    bench.accounts.add("another")
    answers(bench, ("cp-2", 2), ("cp-1", 1))
    rosa, ben = await bench.order("Rosa"), await bench.order("Ben", account="another")
    await bench.work()
    bench.cloudpress.tell("cp-2", account_id="another")
    bench.cloudpress.tasks[2] = bench.cloudpress.tasks[2].model_copy(update={"account_ids": ("another",)})
    end(bench, "cp-1", "cp-2")
    await call_back(bench, rosa, 1)
    await call_back(bench, ben, 2)
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-2")
    await has_not_anothers_site(bench, ben, "site-1")


async def test_a_ring_of_three(bench: Bench) -> None:
    await before(bench)
    answers(bench, ("cp-3", 3), ("cp-4", 4), ("cp-2", 2))
    ring = [await bench.order(name) for name in ("Rosa", "Ben", "Cleo")]
    await bench.work()
    end(bench, "cp-2", "cp-3", "cp-4")
    for number, order_id in enumerate(ring, start=2):
        await call_back(bench, order_id, number)
    await bench.work_for(HOUR)
    for order_id in ring:
        order = await bench.read(order_id)
        assert (order.status, await bench.known_site(order_id)) == ("provisioning", None)
    await dismiss_duplicates(bench.db, ring[0], by=Actor("Rosa"))
    await bench.work_for(HOUR)
    for order_id in ring[1:]:
        order = await bench.read(order_id)
        assert (order.status, await bench.known_site(order_id)) == ("provisioning", None)


async def test_a_payment_page_of_anothers_is_shown_no_more(bench: Bench) -> None:
    """The attention says that nothing of what it holds is told here."""
    rosa, _ben = await mixed_up(bench)
    bench.cloudpress.tell("cp-3", payment_url="https://pay.test/ben")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).payment_url == "https://pay.test/ben"
    end(bench, "cp-2")
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert "mixed up" in (order.attention_detail or "")
    assert order.payment_url is None


async def test_the_named_one_is_spelled_in_other_letters(bench: Bench) -> None:
    """Tasks are compared without case where they are linked, so callbacks are as well."""
    rosa, _ben = await mixed_up(bench)
    end(bench, "cp-2", "cp-3")
    bench.cloudpress.orders_made["CP-2"] = bench.cloudpress.orders_made["cp-2"]
    bench.cloudpress.tasks[2] = bench.cloudpress.tasks[2].model_copy(update={"order_ids": ("CP-2",)})
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-3")


async def test_a_callback_that_names_no_task_beside_changes_nothing(bench: Bench) -> None:
    rosa, _ben = await mixed_up(bench)
    end(bench, "cp-2", "cp-3")
    await record_callback(bench.db, rosa, b"{}")
    await call_back(bench, rosa, 2)
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-3")


async def test_the_other_one_was_erased_meanwhile(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench)
    end(bench, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).status == "completed"
    bench.clock.time += timedelta(hours=6)
    await erase_order(bench.db, ben, by=Actor("Ben"))
    await call_back(bench, rosa, 2)
    end(bench, "cp-3")
    await bench.work_for(HOUR)
    assert "mixed up" in ((await bench.read(rosa)).attention_detail or "")
    await has_not_anothers_site(bench, rosa, "site-3")


async def test_the_own_callback_counts_also_where_the_order_does_not_list_its_task(bench: Bench) -> None:
    """What one pass has seen the next one knows."""
    plain = bench.cloudpress.place

    async def without_task(*sent: Any, **more: Any) -> Answer[Placed]:
        order_id = (await plain(*sent, **more)).value.order_id
        bench.cloudpress.tell(order_id, tasks=())
        return Answer(Placed(order_id=order_id), b"{}", bench.cloudpress.now)

    bench.cloudpress.place = without_task  # type: ignore[method-assign]
    order_id, _other = await bench.order("Shop"), await bench.order("Shop")
    await bench.work()
    await call_back(bench, order_id, 1)
    await bench.work()
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    bench.cloudpress.tell("cp-1", status="completed")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("completed", None), order.attention_detail


async def test_an_unheld_one_that_a_callback_names_is_held_by_who_adopts_it(bench: Bench) -> None:
    """Hers was answered with his, his was lost; an operator gives him what is left over, which is hers."""
    rosa, ben = await sent(bench, ("cp-3", 3), LOST)
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, rosa, 2)
    await bench.work_for(60)
    await request_resolution(
        bench.db, ben, action="adopt", cloudpress_order_id="cp-2", by=Actor("Operator"), shown=Shown()
    )
    await bench.work_for(60)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    end(bench, "cp-3")
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-3")


async def test_of_two_that_look_like_it_the_one_that_called_back_may_be_the_own_one(bench: Bench) -> None:
    """It was sent once, and answered with another one than calls back: who of the two is it?"""
    order_id = await bench.order("Shop")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    called_back = bench.cloudpress.land("Shop")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    stopped = await bench.read(order_id)
    assert (stopped.status, await bench.known_site(order_id)) == ("provisioning", None)
    assert called_back in (stopped.attention_detail or "")
    assert "cancel nothing" in (stopped.attention_detail or "")
    await call_back(bench, order_id, 1)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed", "both are its own"


async def test_one_that_was_sent_twice_is_not_stopped_by_its_first_callback(bench: Bench) -> None:
    """The likelier explanation is that both requests have made one."""
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order("Shop")
    await bench.work()
    await bench.say(order_id, "place_again", by=Actor("operator"))
    await bench.work_for(HOUR)
    placed = await bench.read(order_id)
    assert placed.cloudpress_order_id == "cp-1"
    first = bench.cloudpress.land("Shop")
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("completed", "suspected_duplicate")
    assert first in (order.attention_detail or "")
