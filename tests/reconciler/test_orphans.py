"""A restored database has lost orders that CloudPress has: none of them is bought a second time."""

import asyncio
import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Uuid, delete, select

from app.cloudpress import NotFound, Refused
from app.db.columns import Base
from app.db.models import Orphan, OrphanSearch, Restoration
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.resolving import request_resolution
from app.orders.restorations import remember_restoration
from app.orders.settling_orphans import NoSuchOrphanError, adopt_orphan, dismiss_orphan, list_orphans
from app.orders.shown import Shown
from app.orders.suspects import find_suspects
from app.reconciler.orphan_search import OrphanSearch as Search
from app.states import OrderStatus
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.reconciler.scripted import ACCOUNT, Bench
from tests.settings import CLOUDPRESS_ACCOUNT

BY = Actor("an operator")
OTHER = "another account"


def search_of(bench: Bench, *, grace_seconds: float = 0) -> Search:
    return Search(
        bench.db,
        bench.dependencies.providers,
        bench.signals,
        own_account_id=ACCOUNT,
        grace_seconds=grace_seconds,
    )


async def orphans(bench: Bench) -> list[str]:
    async with bench.db.read() as session:
        found = await list_orphans(session, account_ids=None, before=None, limit=100)
    return [orphan.cloudpress_order_id for orphan in found]


async def lose(bench: Bench, *names: str, known: str = "Known before", is_done: bool = True) -> list[str]:
    """Have a backup restored that is older than these orders at CloudPress; return their ids.

    An order of the name `known` is in the backup; if it `is_done`, what CloudPress made of its name is seen.
    """
    before = await bench.order(known)
    await bench.work()
    held = (await bench.read(before)).cloudpress_order_id
    assert held is not None
    if is_done:
        bench.cloudpress.end(held, "OK")
        await bench.work_for(300)
        assert (await bench.read(before)).status == OrderStatus.COMPLETED
    bench.clock.time += timedelta(hours=1)
    lost = [bench.cloudpress.land(name) for name in names]
    bench.clock.time += timedelta(hours=1)
    assert await remember_restoration(bench.db) is not None
    await doubt_unplaced_orders(bench.db)
    return lost


async def test_what_the_backup_lacks_is_found_and_no_repeat_of_it_is_bought(bench: Bench) -> None:
    lost = await lose(bench, "Lost", "Lost as well")
    repeat, other = await bench.order("Lost"), await bench.order("Something else")
    await bench.work()
    assert {(await bench.read(it)).status for it in (repeat, other)} == {OrderStatus.PENDING}, "not yet known"

    await search_of(bench).search()
    assert sorted(await orphans(bench)) == sorted(lost)
    await bench.work_for(10 * 900)
    asked = await bench.read(repeat)
    assert (asked.status, asked.attention_code) == (OrderStatus.UNCONFIRMED, "placement_suspected")
    assert lost[0] in (asked.attention_detail or "")
    assert (await bench.read(other)).cloudpress_order_id is not None, "it is none of the lost ones"
    assert (
        sum(order.site.name == "Lost" for order in bench.cloudpress.orders_made.values() if order.site) == 1
    )


@pytest.mark.parametrize(
    "name",
    [
        "Rosa's Bakery",
        "rosa's bakery",
        "Rosa\u2019s  Bakery",
        "rosas-bakery",
        "Rosa's Bakery and Shop",
        "Rosa&#39;s Bakery",
    ],
    ids=["same", "lower", "curled", "slug", "longer", "entities"],
)
async def test_a_repeat_is_known_whatever_cloudpress_made_of_the_name(bench: Bench, name: str) -> None:
    await lose(bench, name)
    repeat = await bench.order("Rosa's Bakery")
    await search_of(bench).search()
    await bench.work_for(900)
    assert (await bench.read(repeat)).status == OrderStatus.UNCONFIRMED


def cut_slug(name: str) -> str:
    """Keep the beginning of a slug of ASCII's own letters."""
    return re.sub("[^a-z0-9]+", "-", name.lower())[:9]


@pytest.mark.parametrize(
    ("tidies", "name", "reason"),
    [
        (lambda name: re.sub("[^a-z0-9]+", "-", name.lower()), "Caf\u00e9 Rosa", "a slug leaves letters out"),
        (lambda name: name.replace("\u00e9", "?"), "Caf\u00e9 Rosa", "they are replaced by a mark"),
        (
            lambda name: name.replace("\u00fc", "ue").replace("\u00df", "ss"),
            "S\u00fc\u00dfes",
            "or spelled out",
        ),
        (lambda name: name.replace("&", "and"), "Rosa & Co", "so are symbols"),
        (lambda name: html.escape(html.escape(name)), "Rosa's", "it is escaped twice"),
        (cut_slug, "Caf\u00e9 Rosa of the Harbour", "a slug is cut short"),
        (
            lambda name: "0042" if name[0] > "\u00ff" else name,
            "\u041a\u0430\u0444\u0435",
            "nothing of it is left",
        ),
        (lambda name: f"{name}-2", "Rosa", "it is made unlike others"),
    ],
)
async def test_a_repeat_is_known_where_cloudpress_does_to_its_name_what_it_did_to_no_other(
    bench: Bench, tidies: Callable[[str], str], name: str, reason: str
) -> None:
    await lose(bench, tidies(name), known="plain")
    repeat = await bench.order(name)
    await search_of(bench).search()
    await bench.work_for(900)
    asked = await bench.read(repeat)
    assert (asked.status, asked.cloudpress_order_id) == (OrderStatus.UNCONFIRMED, None), reason


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [
        ({"variant": "WordPress (plain)"}, "a label"),
        ({"variant": "extendify"}, "another's, as it seems"),
        ({"account_id": "ACCT"}, "another case"),
        ({"account_id": "4711"}, "a number"),
        ({"created_at": None}, "no age"),
        ({"created_at": datetime(1970, 1, 1, tzinfo=UTC)}, "a column's default"),
        ({"created_at": datetime(2026, 11, 23, 1, tzinfo=UTC)}, "another zone"),
        ({"status": "cancelled"}, "what became of it"),
    ],
)
async def test_nothing_that_cloudpress_tells_beside_the_name_hides_a_lost_order(
    bench: Bench, spelled: dict[str, Any], reason: str
) -> None:
    [lost] = await lose(bench, "Lost")
    bench.cloudpress.tell(lost, **spelled)
    repeat = await bench.order("Lost")
    await search_of(bench).search()
    await bench.work_for(10 * 900)
    asked = await bench.read(repeat)
    assert (asked.status, asked.cloudpress_order_id) == (OrderStatus.UNCONFIRMED, None), reason
    assert lost in (asked.attention_detail or ""), reason
    assert bench.cloudpress.count("place Lost") == 0, reason


@pytest.mark.parametrize(
    ("tidies", "is_done", "reason"),
    [
        (str, False, "no name was seen"),
        (lambda name: f"site {len(name)}", True, "what was seen is not understood"),
    ],
)
async def test_where_it_is_not_known_what_becomes_of_names_a_lost_order_may_be_any(
    bench: Bench, tidies: Callable[[str], str], *, is_done: bool, reason: str
) -> None:
    bench.cloudpress.tidies = tidies
    [lost] = await lose(bench, "Quite another name", is_done=is_done)
    repeat = await bench.order("Lost")
    await search_of(bench).search()
    await bench.work_for(900)
    assert (await bench.read(repeat)).cloudpress_order_id is None, reason
    await bench.work_for(10 * 900)
    assert lost in ((await bench.read(repeat)).attention_detail or ""), reason


@pytest.mark.parametrize("fault", [NotFound(404), None])
async def test_an_order_whose_name_nobody_tells_stands_in_the_way_of_all(
    bench: Bench, fault: NotFound | None
) -> None:
    [lost] = await lose(bench, "Lost")
    if fault is None:
        bench.cloudpress.tell(lost, site=None)
    else:
        bench.cloudpress.script["order"] = [fault]
    await search_of(bench).search()
    repeat = await bench.order("Whatever")
    await bench.work()
    assert (await bench.read(repeat)).status == OrderStatus.UNCONFIRMED


async def test_a_search_that_fails_holds_orders_back_and_is_done_again(bench: Bench) -> None:
    lost = await lose(bench, "Lost")
    bench.cloudpress.script["orders"] = [Refused(500)]
    repeat = await bench.order("Lost")
    await search_of(bench).search()
    assert await orphans(bench) == []
    await bench.work_for(3600)
    assert (await bench.read(repeat)).status == OrderStatus.PENDING
    await search_of(bench).search()
    assert await orphans(bench) == lost
    await bench.work_for(3600)
    assert (await bench.read(repeat)).status == OrderStatus.UNCONFIRMED


async def test_a_search_that_fails_for_a_day_is_told(bench: Bench) -> None:
    await lose(bench, "Lost")
    order_id = await bench.order("Waits")
    bench.clock.time += timedelta(hours=25)
    await bench.work()
    asked = await bench.read(order_id)
    assert (asked.status, asked.attention_code) == (OrderStatus.PENDING, "not_sent")
    await search_of(bench).search()
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(900)
    assert (await bench.read(order_id)).cloudpress_order_id is not None


async def test_what_the_backup_holds_or_is_older_or_anothers_is_no_orphan(bench: Bench) -> None:
    bench.accounts.add(OTHER)
    old = bench.cloudpress.land("Old")
    bench.clock.time += timedelta(days=2)
    lost = await lose(bench, "Lost")
    await search_of(bench).search()
    assert await orphans(bench) == lost
    assert old not in await orphans(bench)
    # An account that is ordered for first after the restoration is looked through before.
    late = await bench.order("Lost", account=OTHER)
    await bench.work()
    assert (await bench.read(late)).status == OrderStatus.PENDING


async def test_an_account_that_is_new_since_the_restoration_is_looked_through_too(bench: Bench) -> None:
    await lose(bench, "Lost")
    await search_of(bench).search()
    bench.accounts.add(OTHER)
    first = await bench.order("The first of that account", account=OTHER)
    await bench.work()
    assert (await bench.read(first)).status == OrderStatus.PENDING
    await search_of(bench).search()
    await bench.work_for(3600)
    assert (await bench.read(first)).status != OrderStatus.PENDING


async def test_what_the_list_shows_late_is_found_before_anything_is_placed(bench: Bench) -> None:
    [lost] = await lose(bench, "Lost")
    repeat = await bench.order("Lost")
    search = search_of(bench, grace_seconds=900)
    bench.cloudpress.hides = lambda listed: listed == lost
    for _ in range(3):
        await search.search()
    assert bench.cloudpress.count("orders") == 2, "a page and the empty one, once: more shows nothing more"
    bench.cloudpress.hides = lambda _listed: False
    await bench.work_for(899)
    await search.search()
    assert (await bench.read(repeat)).status == OrderStatus.PENDING, "the list may lag"
    bench.clock.time += timedelta(seconds=1)
    await search.search()
    await bench.work_for(10 * 900)
    assert await orphans(bench) == [lost]
    assert (await bench.read(repeat)).status == OrderStatus.UNCONFIRMED
    assert bench.cloudpress.count("place Lost") == 0


async def test_a_list_that_shifts_while_it_is_read_is_read_again(bench: Bench) -> None:
    lost = await lose(bench, "Lost 1", "Lost 2", "Lost 3")
    bench.cloudpress.page_size = 2
    plain, gone = bench.cloudpress.orders, set[str]()
    bench.cloudpress.hides = lambda listed: listed in gone

    async def shifting(*, page: int = 1, timeout_seconds: float | None = None) -> Any:
        answer = await plain(page=page, timeout_seconds=timeout_seconds)
        gone.add("cp-1")  # so that what follows moves up by one, past the page that is asked for next
        return answer

    bench.cloudpress.orders = shifting  # type: ignore[method-assign]
    await search_of(bench).search()
    assert sorted(await orphans(bench)) == lost


async def test_a_dismissed_orphan_stands_in_nobodys_way(bench: Bench) -> None:
    [lost] = await lose(bench, "Lost")
    repeat = await bench.order("Lost")
    await search_of(bench).search()
    await bench.work_for(900)
    await dismiss_orphan(bench.db, ACCOUNT, lost, by=BY)
    assert await orphans(bench) == []
    await search_of(bench).search()
    assert await orphans(bench) == [], "it does not come back"
    await bench.work_for(10 * 900)
    order = await bench.read(repeat)
    assert order.attention_code != "placement_suspected" or order.cloudpress_order_id not in {None, lost}
    with pytest.raises(NoSuchOrphanError):
        await dismiss_orphan(bench.db, ACCOUNT, lost, by=BY)


async def test_an_adopted_orphan_is_an_order_like_any_other(bench: Bench) -> None:
    [lost] = await lose(bench, "Lost")
    await search_of(bench).search()
    order = await adopt_orphan(bench.db, ACCOUNT, lost, by=BY)
    assert await orphans(bench) == []
    bench.cloudpress.end(lost, "OK")
    await bench.work_for(900)
    adopted = await bench.read(order.id)
    assert (adopted.cloudpress_order_id, adopted.status) == (lost, OrderStatus.COMPLETED)
    with pytest.raises(NoSuchOrphanError):
        await adopt_orphan(bench.db, ACCOUNT, lost, by=BY)


@pytest.mark.parametrize(("days", "name"), [(0, "lost"), (6, "Lost"), (8, "Lost"), (0, "Something else")])
async def test_the_repeat_of_an_orphan_that_was_adopted_is_held_back_for_some_days(
    bench: Bench, days: int, name: str
) -> None:
    """Its client does not know that its order was adopted, and sends it again."""
    [lost] = await lose(bench, "Lost")
    await search_of(bench).search()
    adopted = await adopt_orphan(bench.db, ACCOUNT, lost, by=BY)
    bench.cloudpress.end(lost, "OK")
    await bench.work_for(900)
    assert (await bench.read(adopted.id)).status == OrderStatus.COMPLETED
    bench.clock.time += timedelta(days=days)
    repeat = await bench.order(name)
    await bench.work_for(5 * 900)
    order = await bench.read(repeat)
    if days > 7 or name == "Something else":
        assert order.cloudpress_order_id not in {None, lost}
        return
    assert bench.cloudpress.count(f"place {name}") == 0
    assert (order.status, order.attention_code) == (OrderStatus.UNCONFIRMED, "placement_suspected")
    assert lost in (order.attention_detail or "")
    async with bench.db.read() as session:
        assert [(it.cloudpress_order_id, it.held_by) for it in await find_suspects(session, order)] == [
            (lost, adopted.id)
        ]
    await bench.say(repeat, "place_again", by=BY, shown=Shown([lost], 0))
    await bench.work_for(900)
    assert bench.cloudpress.count(f"place {name}") == 1, "who is sure that it is no repeat has the last word"


async def test_an_operator_gives_an_orphan_to_the_repeat_or_has_the_last_word(bench: Bench) -> None:
    lost = await lose(bench, "Lost", "Also lost")
    first, second = await bench.order("Lost"), await bench.order("Also lost")
    await search_of(bench).search()
    await bench.work_for(900)
    await request_resolution(bench.db, first, action="adopt", cloudpress_order_id=lost[0], by=BY)
    await bench.say(second, "place_again", by=BY, shown=Shown(lost, 0))
    await bench.work_for(900)
    assert (await bench.read(first)).cloudpress_order_id == lost[0]
    assert (await bench.read(second)).cloudpress_order_id not in {None, *lost}
    assert await orphans(bench) == [lost[1]]


async def test_without_a_restoration_nothing_is_searched(bench: Bench) -> None:
    assert await remember_restoration(bench.db) is None, "an empty database has lost nothing"
    order = await bench.order("Plain")
    await search_of(bench).search()
    await bench.work()
    assert (await bench.read(order)).cloudpress_order_id is not None
    async with bench.db.read() as session:
        assert not (await session.scalars(select(OrphanSearch))).all()
        assert not (await session.scalars(select(Restoration))).all()


async def test_two_searches_at_once_find_each_orphan_once(bench: Bench) -> None:
    lost = await lose(bench, *(f"Lost {number}" for number in range(5)))
    await asyncio.gather(*(search_of(bench).search() for _ in range(4)))
    async with bench.db.read() as session:
        assert sorted(await session.scalars(select(Orphan.cloudpress_order_id))) == sorted(lost)


async def forget(presshook: Presshook, order_id: UUID) -> None:
    """Have the database know nothing of an order, as one that was restored."""
    async with presshook.service.db.write() as tx:
        for table in reversed(Base.metadata.sorted_tables):
            for column in table.columns:
                key = "id" if table.name == "orders" else "order_id"
                if column.name == key and isinstance(column.type, Uuid):
                    await tx.session.execute(delete(table).where(column == order_id))


async def test_a_clients_repeat_after_a_restoration_buys_nothing(database_url: str, sandbox: Sandbox) -> None:
    settings: dict[str, Any] = {"placement_grace_seconds": 1, "callback_wait_seconds": 0.2}
    body = {"site": {"name": "Harbour Books", "variant": "vanilla"}}
    headers = {"Prefer": "wait=1", "Idempotency-Key": "4711"}
    async with run_presshook(database_url, sandbox.url, **settings) as presshook:
        await presshook.until((await presshook.order("Before")).json()["id"], "completed")
        lost = (await presshook.client.post("/v1/orders", json=body, headers=headers)).json()
        await presshook.until(lost["id"], "completed")
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        await forget(presshook, UUID(lost["id"]))
        assert await remember_restoration(presshook.service.db) is not None
        assert await doubt_unplaced_orders(presshook.service.db) == 0
    async with run_presshook(database_url, sandbox.url, **settings) as presshook:
        client = presshook.client
        repeat = (await client.post("/v1/orders", json=body, headers=headers)).json()
        assert repeat["id"] != lost["id"]
        seen = await eventually(
            lambda: presshook.show(repeat["id"]), lambda order: order["attention"] is not None
        )
        assert (seen["status"], seen["attention"]["code"]) == ("unconfirmed", "placement_suspected")
        assert seen["attention"]["detail"].count(lost["cloudpress_order_id"]) == 1
        assert len(await sandbox.orders("Harbour Books")) == 1

        listed = (await client.get("/v1/orphans")).json()
        [orphan] = listed["data"]
        assert (listed["searching"], listed["next_cursor"]) == ([], None)
        assert orphan["cloudpress_order_id"] == lost["cloudpress_order_id"]
        assert (orphan["site_name"], orphan["variant"]) == ("Harbour Books", "vanilla")

        nobodys = {"account_id": CLOUDPRESS_ACCOUNT, "cloudpress_order_id": "nobody's"}
        for action in ("adopt", "dismiss"):
            assert (await client.post(f"/v1/orphans/{action}", json=nobodys)).status_code == 404
        named = {name: orphan[name] for name in ("account_id", "cloudpress_order_id")}
        answer = await client.post("/v1/orphans/adopt", json=named)
        assert answer.status_code == 201, answer.text
        adopted = await presshook.until(answer.json()["id"], "completed")
        assert adopted["cloudpress_order_id"] == lost["cloudpress_order_id"]
        assert (await client.get("/v1/orphans")).json()["data"] == []
        assert len(await sandbox.orders("Harbour Books")) == 1
