"""Worlds that no page of the provider rules out: in none is an order bought twice without a person's word.

Each ends with one order at CloudPress that is taken for ours, or with attention that names what is known.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from html import escape
from uuid import UUID

import pytest
from sqlalchemy import select

from app.cloudpress import NotSent, Refused
from app.db.models import Order, Stranger
from app.db.notice import Notice
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel
from app.orders.shown import Shown
from app.reconciler.progress import Progress
from app.states import AttentionCode, Doubt, OrderStatus
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import GRACE_SECONDS, HOUR, LOST, Bench

LONG = 3 * HOUR
OPERATOR = Actor("op")


def posts(bench: Bench) -> int:
    return bench.cloudpress.count("place")


def held_off(status: int, seconds: float) -> Refused:
    return Refused(status, ("not now",), seconds, is_own_form=True, is_known_host=True)


async def lost_among_others(bench: Bench, name: str = "Shop", failure: Exception = LOST) -> tuple[UUID, str]:
    """Have an order land whose answer is lost, between two that go well; return it and what it truly is."""
    bench.cloudpress.script["answer"] = [None, failure]
    order_id = await bench.order_among_others(name)
    assert posts(bench) == 3
    return order_id, "cp-2"


async def check_bought_once(bench: Bench, order_id: UUID, truly: str, *, sent: int = 3) -> None:
    """Check that nothing was bought twice, and that the order is known or a person is told of it."""
    assert posts(bench) == sent
    order = await bench.read(order_id)
    if order.cloudpress_order_id is not None:
        assert (order.cloudpress_order_id, order.attention_code) == (truly, None)
        return
    assert order.status == OrderStatus.UNCONFIRMED
    assert order.attention_code in set(AttentionCode)
    assert "resolve the order" in (order.attention_detail or "")


async def named(bench: Bench, order_id: UUID) -> str:
    """Return what a person is told of an order."""
    return (await bench.read(order_id)).attention_detail or ""


# --- what is sent again, and what it takes ------------------------------------------------------------


async def test_an_order_that_is_proven_to_be_nowhere_is_sent_again(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(GRACE_SECONDS * 0.8)
    assert posts(bench) == 3
    await bench.work_for(GRACE_SECONDS * 0.5)
    order = await bench.read(order_id)
    assert (posts(bench), order.status, order.cloudpress_order_id) == (4, "provisioning", "cp-3")
    [nowhere] = await bench.events(order_id, "order.found_nowhere")
    assert nowhere.data["proven_by"] == ["cp-1", "cp-2"]


@pytest.mark.parametrize("missing", ["earlier", "later", "both"])
async def test_without_orders_to_prove_the_list_by_a_person_is_asked(bench: Bench, missing: str) -> None:
    bench.cloudpress.script["place"] = [None, LOST] if missing == "later" else [LOST]
    if missing == "later":
        await bench.order("Before")
        await bench.work()
    order_id = await bench.order()
    await bench.work()
    if missing == "earlier":
        bench.clock.time += timedelta(minutes=1)
        await bench.order("After")
    await bench.work_for(LONG)
    sent = posts(bench)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", "placement_unconfirmed")
    assert sent == (1 if missing == "both" else 2)
    told = await named(bench, order_id)
    assert (Doubt.NO_EARLIER_ORDER.sentence in told) == (missing != "later")
    assert (Doubt.NO_LATER_ORDER.sentence in told) == (missing != "earlier")


async def test_orders_of_long_ago_prove_nothing(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    await bench.order("Before")
    await bench.work()
    bench.clock.time += timedelta(hours=2)
    order_id = await bench.order()
    await bench.work()
    bench.clock.time += timedelta(minutes=1)
    await bench.order("After")
    await bench.work_for(2 * HOUR)
    assert Doubt.NO_EARLIER_ORDER.sentence in await named(bench, order_id)
    assert posts(bench) == 3


async def test_people_alone_may_place_again_where_the_operator_wants_it_so(bench: Bench) -> None:
    bench.set(may_place_again=False)
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(2 * HOUR)
    assert posts(bench) == 3
    assert "PLACE_AGAIN=never" in await named(bench, order_id)
    await bench.say(order_id, "place_again", by=OPERATOR)
    await bench.work_for(60)
    assert (posts(bench), (await bench.read(order_id)).status) == (4, "provisioning")


async def test_any_order_that_nobody_holds_forbids_it_whatever_its_name(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    strangers = bench.cloudpress.land("Something else entirely")
    await bench.work_for(2 * HOUR)
    assert posts(bench) == 3
    assert strangers in await named(bench, order_id)
    await dismiss_duplicates(bench.db, order_id, by=OPERATOR)
    await bench.work_for(2 * HOUR)
    assert (posts(bench), (await bench.read(order_id)).status) == (4, "provisioning")


async def test_what_was_there_before_the_order_was_sent_forbids_nothing(bench: Bench) -> None:
    strangers = bench.cloudpress.land("Somebody else's")
    bench.cloudpress.script["place"] = [LOST]
    first = await bench.order("First")
    await bench.work_for(2 * HOUR)
    assert strangers in await named(bench, first), "nobody knows since when it has been there"
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    before = posts(bench)
    await bench.work_for(2 * HOUR)
    assert (posts(bench), (await bench.read(order_id)).status) == (before + 1, "provisioning")


# --- 1: names -----------------------------------------------------------------------------------------


def without_quotes(name: str) -> str:
    return name.replace("'", "").replace("\u201c", "").replace("\u201d", "")


@pytest.mark.parametrize(
    ("name", "tidies"),
    [
        ("Cafe\u0301", lambda name: unicodedata.normalize("NFC", name)),
        ("Rosa's", lambda name: escape(name).replace("&#x27;", "&#39;")),
        ("Rosa's \u201cCorner\u201d", without_quotes),
        ("Rosa\u2019s", lambda name: name.replace("\u2019", "'")),
        ("Shop \U0001f6cd", lambda name: name.replace("\U0001f6cd", "?")),
        ("Rosa's Shop", lambda name: name.lower().replace("'", "").replace(" ", "-")),
        ("A name that is far too long", lambda name: name[:10]),
        ("Shop", lambda name: f"Site {len(name)} of many"),
    ],
)
async def test_a_name_that_is_kept_otherwise(bench: Bench, name: str, tidies: Callable[[str], str]) -> None:
    bench.cloudpress.tidies = tidies
    order_id, truly = await lost_among_others(bench, name)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    assert truly in await named(bench, order_id)


async def test_what_was_seen_to_be_done_to_names_is_expected(bench: Bench) -> None:
    bench.cloudpress.tidies = str.upper
    bench.cloudpress.tidies = lambda name: name.lower()
    order_id, truly = await lost_among_others(bench, "Rosa Shop")
    for finished in ("cp-1", "cp-3"):
        bench.cloudpress.end(finished, "OK")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is None, "it may have been made a slug: Before and After do not tell"
    assert truly in await named(bench, order_id)
    await bench.order("Two Words")
    await bench.work()
    bench.cloudpress.end("cp-4", "OK")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.attention_code) == (truly, None)


async def test_names_that_are_told_alike_are_not_adopted_by_look_up(bench: Bench) -> None:
    bench.cloudpress.tidies = str.lower
    bench.cloudpress.script["place"] = [None, None, LOST]
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others("Shop", others=("Before", "SHOP"))
    [other] = [it for it in await bench.orders() if it.site_name == "SHOP"]
    for finished in ("cp-1",):
        bench.cloudpress.end(finished, "OK")
    await bench.work_for(LONG)
    orders = [await bench.read(it) for it in (order_id, other.id)]
    assert [it.cloudpress_order_id for it in orders] == [None, None], "it is one's or the other's"
    assert all("cp-2" in (it.attention_detail or "") for it in orders)
    assert posts(bench) == 3


async def test_names_that_only_the_tidying_makes_alike_are_not_adopted_by_look_up(bench: Bench) -> None:
    bench.cloudpress.tidies = lambda name: re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    for name in ("Two Words!", "Caf\u00e9 & Bar"):
        await bench.order(name)
    await bench.work()
    for finished in ("cp-1", "cp-2"):
        bench.cloudpress.end(finished, "OK")
    await bench.work_for(HOUR)
    bench.cloudpress.script["answer"] = [LOST]
    landed = await bench.order("Caf\u00e9")
    await bench.work()
    bench.cloudpress.script["place"] = [LOST]
    lost = await bench.order("Caf")
    await bench.work()
    await bench.work_for(LONG)
    orders = [await bench.read(it) for it in (landed, lost)]
    assert [it.cloudpress_order_id for it in orders] == [None, None], "both are told as `caf`"
    assert posts(bench) == 4


# --- 2: account and variant ---------------------------------------------------------------------------


@pytest.mark.parametrize("spells", [str.upper, lambda text: f" {text} ", lambda text: str(len(text))])
@pytest.mark.parametrize("what", ["account", "variant"])
async def test_an_account_or_a_variant_that_is_told_otherwise(
    bench: Bench, spells: Callable[[str], str], what: str
) -> None:
    setattr(bench.cloudpress, f"spells_{what}", spells)
    order_id, truly = await lost_among_others(bench)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)


@pytest.mark.parametrize("what", ["account", "variant"])
async def test_a_list_that_tells_our_orders_otherwise_proves_nothing(bench: Bench, what: str) -> None:
    setattr(bench.cloudpress, f"spells_{what}", lambda text: f"{text}, as we say")
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(LONG)
    assert posts(bench) == 3
    assert Doubt.ORDERS_DIFFER.sentence in await named(bench, order_id)


# --- 3: pages -----------------------------------------------------------------------------------------


async def test_pages_that_are_shorter_than_was_asked_for(bench: Bench) -> None:
    bench.cloudpress.page_size = 1
    order_id, truly = await lost_among_others(bench)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    assert (await bench.read(order_id)).cloudpress_order_id == truly


async def test_an_account_with_very_many_orders_of_others(bench: Bench) -> None:
    order_id = await bench.order()
    listed: dict[str, str | None] = {f"other-{number}": None for number in range(11_500)}
    for _ in range(2):
        progress = Progress(listed=dict(listed), last_begun_at=bench.clock.time)
        bench.clock.time += timedelta(minutes=1)
        async with bench.db.write() as tx:
            await progress.save(tx, await tx.session.get_one(Order, order_id))
    async with bench.db.read() as session:
        known = set(await session.scalars(select(Stranger.cloudpress_order_id)))
    assert known == listed.keys()


async def test_a_list_that_shows_the_same_page_for_ever(bench: Bench) -> None:
    bench.cloudpress.page_size, bench.cloudpress.ignores_pages = 1, True
    order_id, truly = await lost_among_others(bench)
    before = bench.cloudpress.count("orders")
    await bench.work_for(1200)
    assert bench.cloudpress.count("orders") - before < 100
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    assert Doubt.LIST_REPEATS.sentence in await named(bench, order_id)


# --- 4: lists that leave something out ----------------------------------------------------------------


async def test_an_empty_list_is_not_believed(bench: Bench) -> None:
    for number in range(5):
        await bench.order(f"Held {number}")
    await bench.work()
    bench.cloudpress.hides = lambda _order_id: True
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, "cp-7", sent=8)
    assert Doubt.ORDERS_MISSING.sentence in await named(bench, order_id)


@pytest.mark.parametrize("hidden", ["cp-1", "cp-3"])
async def test_a_list_that_leaves_out_one_that_we_hold_proves_nothing(bench: Bench, hidden: str) -> None:
    bench.cloudpress.hides = lambda order_id: order_id in {"cp-2", hidden}
    order_id, truly = await lost_among_others(bench)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    assert Doubt.ORDERS_MISSING.sentence in await named(bench, order_id)


async def test_a_strangers_twin_in_a_list_that_leaves_out_ours_is_not_adopted(bench: Bench) -> None:
    order_id, truly = await lost_among_others(bench)
    twin = bench.cloudpress.land("Shop")
    bench.cloudpress.hides = lambda listed: listed in {truly, "cp-3"}
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id is None
    assert twin in await named(bench, order_id)
    bench.cloudpress.hides = lambda _listed: False
    await bench.work_for(LONG)
    assert (await bench.read(order_id)).cloudpress_order_id is None
    assert {truly, twin} <= set(re.findall("cp-[0-9]+", await named(bench, order_id)))


async def test_what_a_list_has_shown_once_is_not_forgotten(bench: Bench) -> None:
    bench.cloudpress.tidies = lambda name: f"Site {len(name)} of many"
    order_id, truly = await lost_among_others(bench)
    await bench.work_for(60)
    bench.cloudpress.hides = lambda listed: listed == truly
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    assert truly in await named(bench, order_id)


# --- 5: clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-7200, -400, 400, 7200])
@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_clock_that_steps(bench: Bench, seconds: float, whose: str, when: str) -> None:
    def step() -> None:
        if whose == "ours":
            bench.clock.step(seconds)
        else:
            bench.cloudpress.ahead += timedelta(seconds=seconds)

    await bench.order("Earlier")
    await bench.work()
    if when == "before":
        step()
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    if when == "after":
        step()
        await bench.work()
    bench.cloudpress.hides = lambda listed: listed == "cp-3"  # for as long as the grace truly lasts
    await bench.work_for(GRACE_SECONDS - 200)
    assert posts(bench) == 4, "the grace is not over"
    bench.cloudpress.hides = lambda _listed: False
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, "cp-3", sent=4)


@pytest.mark.parametrize("known", ["known", "not known"])
@pytest.mark.parametrize("boot", ["a machine", "another machine"])
async def test_a_step_makes_no_strangers_older_order_young(bench: Bench, boot: str, known: str) -> None:
    if known == "known":
        await bench.order("Earlier")  # whose answer tells what CloudPress's clock shows
        await bench.work()
    older = bench.cloudpress.land("Shop")
    number = int(older.removeprefix("cp-"))
    bench.clock.time += timedelta(minutes=11)
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    bench.clock.step(400)
    bench.clock.boot = boot
    await record_callback(bench.db, order_id, json.dumps({"task": {"id": number}}).encode())
    await bench.work_for(LONG)
    assert (await bench.read(order_id)).cloudpress_order_id is None
    assert older in await named(bench, order_id)


@pytest.mark.parametrize("hours", [-48, -8, 5])
async def test_times_that_are_told_in_another_zone(bench: Bench, hours: int) -> None:
    bench.cloudpress.zone = timedelta(hours=hours)
    order_id, truly = await lost_among_others(bench)
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    held = (await bench.read(order_id)).cloudpress_order_id
    assert truly in {held, *(await named(bench, order_id)).replace(",", "").split()}, "a person is told which"


async def test_a_step_of_the_clock_makes_nobody_wait(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.clock.step(-3600)
    await bench.work()  # the loop polls, whatever is due
    await bench.work_for(GRACE_SECONDS * 1.5)
    assert (posts(bench), (await bench.read(order_id)).status) == (4, "provisioning")


# --- 6: answers that say nothing ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 302, 303, 304, 401, 403, 404, 407, 413, 422, 429, 500, 503])
async def test_an_answer_that_is_not_cloudpresss_own_says_nothing(bench: Bench, status: int) -> None:
    order_id, truly = await lost_among_others(bench, failure=Refused(status, ("Proxy says no",)))
    await bench.work_for(LONG)
    await check_bought_once(bench, order_id, truly)
    assert (await bench.read(order_id)).cloudpress_order_id == truly


# --- 7: held off for hours ----------------------------------------------------------------------------


async def test_what_was_held_off_for_long_is_looked_for_once_more(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST, None, held_off(429, 2 * HOUR)]
    order_id = await bench.order_among_others()
    await bench.work_for(HOUR)
    assert (posts(bench), (await bench.read(order_id)).status) == (4, "pending")
    landed = bench.cloudpress.land("Shop")  # the first request, at last
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (posts(bench), order.cloudpress_order_id) == (4, landed)


async def test_what_was_held_off_for_a_moment_is_sent_again_at_once(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST, None, NotSent("refused", kind="connect")]
    await bench.order_among_others()
    await bench.work_for(GRACE_SECONDS * 1.3)
    looked = bench.cloudpress.count("orders")
    assert posts(bench) == 5
    assert bench.cloudpress.count("orders") == looked


# --- 8: what an operator knew --------------------------------------------------------------------------


async def asked_to_place_again(bench: Bench) -> UUID:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work_for(GRACE_SECONDS * 1.2)
    await record_callback(bench.db, order_id, b"known to the operator")
    await bench.say(order_id, "place_again", by=OPERATOR, shown=Shown([], callbacks=1))
    return order_id


async def test_a_callback_between_an_operators_word_and_the_pass_is_not_known_to_him(bench: Bench) -> None:
    order_id = await asked_to_place_again(bench)
    await record_callback(bench.db, order_id, b"news")
    await bench.work_for(LONG)
    assert posts(bench) == 1
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", "placement_called_back")
    assert order.resolution is None


async def test_a_callback_while_an_operators_word_is_held_off_is_not_known_to_him(bench: Bench) -> None:
    bench.cloudpress.script["orders"] = []
    order_id = await asked_to_place_again(bench)
    bench.cloudpress.script["place"] = [held_off(429, HOUR)]
    await bench.work()
    await bench.work()
    assert (posts(bench), (await bench.read(order_id)).status) == (2, "pending")
    await record_callback(bench.db, order_id, b"news")
    await bench.work_for(LONG)
    assert (posts(bench), (await bench.read(order_id)).status) == (2, "unconfirmed")


async def test_an_order_that_shows_up_after_an_operators_word_is_not_known_to_him(bench: Bench) -> None:
    order_id = await asked_to_place_again(bench)
    bench.cloudpress.script["place"] = [held_off(429, HOUR)]
    await bench.work()
    await bench.work()
    assert posts(bench) == 2
    landed = bench.cloudpress.land("A name of its own")
    await bench.work_for(LONG)
    assert posts(bench) == 2
    assert landed in await named(bench, order_id)


async def test_an_operators_word_is_good_for_as_long_as_nothing_comes_up(bench: Bench) -> None:
    order_id = await asked_to_place_again(bench)
    bench.cloudpress.script["place"] = [held_off(429, HOUR), held_off(429, HOUR)]
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert (posts(bench), order.status, order.resolution) == (4, "provisioning", None)


# --- 9: sleep ------------------------------------------------------------------------------------------


async def test_nothing_is_sent_after_the_machine_slept_over_its_lease(bench: Bench) -> None:
    def sleep(_notice: Notice) -> None:
        if bench.cloudpress.asked == [] and not slept:
            slept.append(True)
            bench.clock.time += timedelta(minutes=20)

    slept: list[bool] = []
    order_id = await bench.order()
    [claim] = (await bench.reconciler.claim(1)).claims
    bench.db.on_commit(sleep)  # right after the intent is committed
    await bench.reconciler.work(claim)
    assert (slept, posts(bench)) == ([True], 0)
    assert (await bench.read(order_id)).status == "pending"


# --- 10: whose fate and site it is -----------------------------------------------------------------------


@pytest.mark.parametrize("strangers_fate", ["OK", "FAILED", "CANCELLED"])
async def test_an_order_takes_nothing_of_a_strangers_twin_that_it_held_by_mistake(
    bench: Bench, strangers_fate: str
) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    twin = bench.cloudpress.land("Shop", status="RUNNING")
    await bench.work_for(120)
    assert (await bench.read(order_id)).cloudpress_order_id == twin, "nobody could tell them apart"
    own = bench.cloudpress.land("Shop", status="RUNNING")
    bench.cloudpress.end(twin, strangers_fate)
    await record_callback(bench.db, order_id, b'{"task": {"id": 2}}')
    await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("provisioning", own)
    assert await bench.known_tasks(order_id) == []
    await bench.work_for(30)
    assert await bench.known_tasks(order_id) == [2]
    bench.cloudpress.end(own, "OK")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, await bench.known_site(order_id)) == ("completed", "site-2")


async def test_a_tasks_number_that_was_given_anew_decides_nothing(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    assert await bench.known_tasks(order_id) == [1]
    others = bench.cloudpress.land("Another's")
    bench.cloudpress.tasks[1] = bench.cloudpress.tasks[2].model_copy(update={"id": 1})
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert bench.cloudpress.tasks[1].order_ids == (others,)
    assert (order.status, await bench.known_site(order_id)) == ("provisioning", None)


# --- what is given up in the open -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [402, 422])
@EVERY_LOOK
async def test_a_refusal_for_good_at_a_later_attempt_ends_the_order_where_it_surely_is_nowhere(
    bench: Bench, status: int
) -> None:
    bench.cloudpress.script["place"] = [None, LOST, None, held_off(status, 0)]
    order_id = await bench.order_among_others()
    bench.cloudpress.script["place"].append(None)
    await bench.work_for(GRACE_SECONDS * 1.2)
    assert posts(bench) == 4
    bench.clock.time += timedelta(seconds=30)
    await bench.order("One more")
    await bench.work_for(GRACE_SECONDS * 1.5)
    order = await bench.read(order_id)
    assert posts(bench) == 5
    assert (order.status, order.error_code, order.error_reasons) == ("failed", "rejected", ["not now"])


async def test_a_refusal_for_good_at_a_later_attempt_asks_a_person_where_that_is_not_proven(
    bench: Bench,
) -> None:
    bench.cloudpress.script["place"] = [None, LOST, None, held_off(422, 0)]
    order_id = await bench.order_among_others()
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (posts(bench), order.status, order.attention_code) == (4, "unconfirmed", "placement_refused")
    assert "not now" in await named(bench, order_id)


async def test_an_order_that_cannot_be_sent_for_a_day_waits_for_a_person(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [NotSent("refused", kind="connect") for _ in range(5000)]
    order_id = await bench.order()
    await bench.skim(25 * HOUR)
    bench.cloudpress.script["place"].clear()
    sent = posts(bench)
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert (posts(bench), order.status, order.attention_code) == (sent, "pending", "not_sent")
    await bench.say(order_id, "place_again", by=OPERATOR)
    await bench.work()
    order = await bench.read(order_id)
    assert (posts(bench), order.status, order.attention_code) == (sent + 1, "provisioning", None)


async def test_dropping_an_order_that_was_never_sent_sits_out_no_retry_after(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [held_off(429, HOUR)]
    order_id = await bench.order()
    [claim] = (await bench.reconciler.claim(1)).claims
    await request_cancel(bench.db, order_id, by=Actor("client"))  # while it is about to be sent
    await bench.reconciler.work(claim)
    await bench.work()
    assert (await bench.read(order_id)).status == "cancelled"
