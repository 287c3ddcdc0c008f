"""Nobody gets another's site where a callback names an order whose name is told late, or not by itself."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Refused, SiteRef
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.requests import request_cancel
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_anothers_answers import before, has_not_anothers_site
from tests.reconciler.test_mixed_up_answers import call_back


async def lost(bench: Bench, name: str, *, lands: bool) -> UUID:
    bench.cloudpress.script["answer" if lands else "place"] = [LOST]
    order_id = await bench.order(name)
    await bench.work()
    return order_id


def change_task(bench: Bench, number: int, **changes: Any) -> None:
    bench.cloudpress.tasks[number] = bench.cloudpress.tasks[number].model_copy(update=changes)


def unlink(bench: Bench, number: int) -> None:
    """No site is linked yet: neither the order nor the task nor anything else tells a name."""
    bench.cloudpress.tell(f"cp-{number}", site=None)
    bench.cloudpress.sites.pop(f"site-{number}", None)
    change_task(bench, number, site_ids=())


def link(bench: Bench, number: int, name: str) -> None:
    """The site is linked and named, everywhere, as the contract says; the task is done."""
    bench.cloudpress.tell(f"cp-{number}", site=SiteRef(id=f"site-{number}", name=name))
    bench.cloudpress.sites[f"site-{number}"] = name
    change_task(bench, number, site_ids=(f"site-{number}",))
    bench.cloudpress.end(f"cp-{number}", "OK")


def told(order: Order) -> tuple[Any, ...]:
    return (order.site_name, order.status, order.cloudpress_order_id, order.attention_code)


async def is_told_of(bench: Bench, order_id: UUID, cloudpress_order_id: str) -> None:
    """Check that an order holds a CloudPress order, or that a person is told of it."""
    order = await bench.read(order_id)
    is_named = cloudpress_order_id in (order.attention_detail or "")
    assert order.cloudpress_order_id == cloudpress_order_id or is_named, told(order)


def strangers(bench: Bench, failure: Exception) -> None:
    """Have a stranger's order be made as `cp-3`, whose name only its site tells, which cannot be read.

    (provider page: a suspended site answers 402; that is for as long as nobody pays)
    """
    bench.cloudpress.land("Other")
    bench.cloudpress.tell("cp-3", site=SiteRef(id="site-3", name=None))
    plain = bench.cloudpress.site

    async def site(site_id: str, **more: Any) -> Any:
        if site_id == "site-3":
            raise failure
        return await plain(site_id, **more)

    bench.cloudpress.site = site  # type: ignore[method-assign]


async def test_a_name_that_is_told_later_speaks_against_it(bench: Bench) -> None:
    """cp-2 is a stranger's, young, without a site yet. Then its site says "Other"."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Other", status="RUNNING")
    unlink(bench, 2)
    await call_back(bench, order_id, 2)
    await bench.work_for(60)
    link(bench, 2, "Other")
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, order_id, "site-2")


async def test_variant_account_and_age_that_are_told_later_speak_against_it(
    bench: Bench,
) -> None:
    """All four say that it is another's by the time that the site is shown."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Other", status="RUNNING")
    bench.cloudpress.tell("cp-2", variant=None, account_id=None)
    unlink(bench, 2)
    await call_back(bench, order_id, 2)
    await bench.work_for(60)
    link(bench, 2, "Other")
    bench.cloudpress.tell(
        "cp-2",
        variant="migration",
        account_id="another",
        created_at=bench.cloudpress.now - timedelta(days=200),
    )
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, order_id, "site-2")


@pytest.mark.parametrize("shown_after", [0, 600])
async def test_a_name_that_only_the_tasks_site_tells_speaks_against_it(
    bench: Bench, shown_after: float
) -> None:
    """The order links no site, its task names one, which is called "Other" and is shown at once or later."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Other")
    bench.cloudpress.tell("cp-2", site=None)
    if shown_after:
        del bench.cloudpress.sites["site-2"]
    await call_back(bench, order_id, 2)
    await bench.work_for(shown_after)
    bench.cloudpress.sites["site-2"] = "Other"
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, order_id, "site-2")


async def test_a_strangers_order_is_not_cancelled_whose_tasks_site_tells_another_name(bench: Bench) -> None:
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Other", status="RUNNING")
    bench.cloudpress.tell("cp-2", site=None)
    await call_back(bench, order_id, 2)
    await request_cancel(bench.db, order_id, by=Actor("Shop"))
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("cancel") == 0


async def test_a_payment_page_is_not_shown_of_what_the_tasks_site_tells_to_be_anothers(bench: Bench) -> None:
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Other", status="RUNNING")
    bench.cloudpress.tell("cp-2", site=None, payment_url="https://pay.test/other")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).payment_url is None


@pytest.mark.parametrize("victim_calls_back", [True, False])
@pytest.mark.parametrize("is_hint_first", [True, False])
async def test_a_liar_does_not_get_the_site_of_another_lost_order(
    bench: Bench, *, victim_calls_back: bool, is_hint_first: bool
) -> None:
    """Both answers were lost; cp-2 is the victim's, its site not linked for the first minutes.

    The liar's callback names its task, which he may have guessed before the victim ordered.
    """
    await before(bench)
    victim: UUID
    if is_hint_first:
        liar = await lost(bench, "Liar", lands=False)
        await call_back(bench, liar, 2)
        await bench.work_for(5)
        victim = await lost(bench, "Victim", lands=True)
        unlink(bench, 2)
    else:
        victim = await lost(bench, "Victim", lands=True)
        unlink(bench, 2)
        liar = await lost(bench, "Liar", lands=False)
        await call_back(bench, liar, 2)
    await bench.work_for(120)
    if victim_calls_back:
        await call_back(bench, victim, 2)
        await bench.work_for(120)
    link(bench, 2, "Victim")
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, liar, "site-2")
    await is_told_of(bench, victim, "cp-2")


async def test_what_an_answer_gives_to_another_order_is_not_kept_by_who_lied(bench: Bench) -> None:
    """The victim's POST is answered, truly and in time, with cp-2; the lie was heard in between."""
    await before(bench)
    liar = await lost(bench, "Liar", lands=False)
    plain = bench.cloudpress.place

    async def place(*sent: Any, **more: Any) -> Any:
        placed = await plain(*sent, **more)
        unlink(bench, 2)
        await call_back(bench, liar, 2)
        for claim in (await bench.reconciler.claim(100)).claims:
            await bench.reconciler.work(claim)
        return placed

    bench.cloudpress.place = place  # type: ignore[method-assign]
    victim = await bench.order("Victim")
    await bench.work()
    link(bench, 2, "Victim")
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, liar, "site-2")
    await is_told_of(bench, victim, "cp-2")


async def test_own_callbacks_that_name_the_own_ones_undo_what_swapped_callbacks_named(bench: Bench) -> None:
    """CloudPress swaps two callbacks while no site is linked, and then sends the right ones, too."""
    await before(bench)
    rosa, ben = await lost(bench, "Rosa", lands=True), await lost(bench, "Ben", lands=True)
    unlink(bench, 2)
    unlink(bench, 3)
    await call_back(bench, rosa, 3)
    await call_back(bench, ben, 2)
    await bench.work_for(60)
    link(bench, 2, "Rosa")
    link(bench, 3, "Ben")
    await call_back(bench, rosa, 2)
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, rosa, "site-3")
    await has_not_anothers_site(bench, ben, "site-2")


async def test_of_a_tasks_orders_the_one_that_agrees_in_all_is_taken(bench: Bench) -> None:
    """The own task names cp-3, which tells nothing but its age, before cp-2, which agrees in all."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=True)
    bench.cloudpress.land("Other")
    unlink(bench, 3)
    change_task(bench, 2, order_ids=("cp-3", "cp-2"), status="OK")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id != "cp-3"


async def test_the_true_callback_is_heard_after_one_that_named_a_nameless_one(bench: Bench) -> None:
    """The first one tells its age alone; the own callback then names cp-2, of which all agrees."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=True)
    bench.cloudpress.hides = lambda listed: listed == "cp-2"
    bench.cloudpress.land("Other", status="RUNNING")
    unlink(bench, 3)
    await call_back(bench, order_id, 3)
    await bench.work_for(60)
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, order_id, 2)
    await bench.work_for(60)
    link(bench, 3, "Other")
    await bench.work_for(HOUR)
    await has_not_anothers_site(bench, order_id, "site-3")


@pytest.mark.parametrize("later", ["Other", None])
async def test_a_nameless_one_replaces_nothing_that_a_look_up_found(bench: Bench, later: str | None) -> None:
    """cp-3 was found by a look-up. A callback then names cp-4, a stranger's, which tells only its age."""
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(900)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-3"
    bench.cloudpress.land("Other", status="RUNNING")
    unlink(bench, 4)
    await call_back(bench, order_id, 4)
    await bench.work_for(HOUR)
    if later:
        link(bench, 4, later)
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    await is_told_of(bench, order_id, "cp-3")
    await has_not_anothers_site(bench, order_id, "site-4")


async def test_a_nameless_one_is_not_young_where_times_are_seen_to_be_told_in_another_zone(
    bench: Bench,
) -> None:
    """Times are told two hours ahead, as the order before proves; cp-2 is an hour older than ours."""
    bench.cloudpress.zone = timedelta(hours=2)
    await before(bench)
    bench.cloudpress.land("Other")
    unlink(bench, 2)
    await bench.work_for(HOUR)
    order_id = await lost(bench, "Shop", lands=False)
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id is None


async def troubled(bench: Bench, failure: Exception) -> UUID:
    """Return a lost order that landed, and a callback of which leads to such a stranger's."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=True)
    bench.cloudpress.end("cp-2", "OK")
    strangers(bench, failure)
    await call_back(bench, order_id, 3)
    return order_id


SUSPENDED = Refused(402, ("suspended",), is_own_form=True)


@pytest.mark.parametrize("failure", [SUSPENDED, Refused(500)], ids=["402", "500"])
async def test_a_strangers_site_that_cannot_be_read_does_not_hide_the_own_callback(
    bench: Bench, failure: Exception
) -> None:
    order_id = await troubled(bench, failure)
    await call_back(bench, order_id, 2)
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("completed", "cp-2"), order.attention_detail


async def test_an_order_whose_callbacks_site_is_suspended_names_what_it_may_be(bench: Bench) -> None:
    order_id = await troubled(bench, SUSPENDED)
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert "sent again by itself" not in (order.attention_detail or "")
    assert order.cloudpress_order_id == "cp-2" or "cp-" in (order.attention_detail or ""), (
        told(order),
        order.attention_detail,
        bench.cloudpress.count("orders"),
    )


async def test_a_double_is_named_though_another_callbacks_site_cannot_be_read(bench: Bench) -> None:
    """It is done; one callback leads to a stranger's suspended site, the next to a real double, cp-4."""
    await before(bench)
    order_id = await bench.order("Shop")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await call_back(bench, order_id, 2)
    await bench.work_for(60)
    strangers(bench, SUSPENDED)
    bench.cloudpress.land("Shop")
    await call_back(bench, order_id, 3)
    await call_back(bench, order_id, 4)
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert "cp-4" in (order.attention_detail or ""), (told(order), bench.cloudpress.count("task 4"))
