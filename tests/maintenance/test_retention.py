"""Retention: what is old of finished orders goes, what must outlive it stays, and what is missing is told."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, func, select, update
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner
from uuid_utils.compat import uuid7

from app.cli import command_line
from app.db.clock import DatabaseClock
from app.db.columns import Base
from app.db.database import Database
from app.db.models import Callback, Delivery, Event, Order, Placement, Pruning, Site, Task, Webhook
from app.db.url import async_database_url
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.maintenance.old_orders import ROWS_STAY, first_overdue
from app.maintenance.retention import (
    LEASE_SECONDS,
    ON_POSTGRESQL,
    ON_SQLITE,
    Bounds,
    Forecast,
    Pruned,
    Pruner,
    PruningElsewhereError,
)
from app.orders.callbacks import record_callback
from app.orders.erasing import clear, erase_order
from app.orders.intake import Idempotency, NewOrder, create_order, find_repeated
from app.orders.representation import SiteBody
from app.secrets import Encryption
from app.webhooks.redelivering import redeliver_since
from tests.harness import Sandbox, eventually, run_presshook
from tests.settings import SECRET_KEY
from tests.sse import read_all

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DAYS = 10.0
OLD = 11 * DAY
VERY_OLD = OLD + ROWS_STAY
SITE: dict[str, Any] = dict.fromkeys(SiteBody.model_fields) | {"id": "site"}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    yield db
    await db.dispose()


async def webhook(db: Database) -> UUID:
    async with db.write() as tx:
        hook = Webhook(
            id=uuid7(), url="http://a.test/", is_enabled=True, secret=b"s",
            created_at=tx.now - 2 * VERY_OLD, updated_at=tx.now,
        )  # fmt: skip
        tx.session.add(hook)
        return hook.id


async def order(
    db: Database, name: str, age: timedelta, *, delivery: str = "delivered", **change: Any
) -> UUID:
    """Store an order that was completed so long ago, with something of everything."""
    key = Idempotency("identity", name, "fingerprint")
    made = await create_order(db, NewOrder("acct", name, "vanilla", None, None, None, {"a": "b"}), key)
    await record_callback(db, made.id, name.encode())
    async with db.write() as tx:
        sent_at = tx.now - age
        tx.session.add(
            Placement(order_id=made.id, attempt=1, sent_at=sent_at, outcome="accepted", callback_key_id="k")
        )
        tx.session.add(Task(order_id=made.id, id=1, status="OK", title=name))
        tx.session.add(
            Site(order_id=made.id, id=name, details=SITE | {"name": name}, answer=b"", read_at=tx.now)
        )
        await tx.session.flush()
        record(tx, made.id, EventType.COMPLETED, shown={"name": name})
    async with db.write() as tx:
        shown = select(Event.id).where(Event.order_id == made.id, Event.type == EventType.COMPLETED)
        event_id = (await tx.session.execute(shown)).scalar_one()
        for hook in await tx.session.scalars(select(Webhook.id)):
            tx.session.add(
                Delivery(id=uuid7(), webhook_id=hook, event_id=event_id, status=delivery, created_at=tx.now)
            )
        values = {"status": "completed", "finalized_at": tx.now - age, "due_at": None}
        values["cloudpress_order_id"] = f"cp {name}"
        moments = {each: tx.now + span for each, span in change.items() if isinstance(span, timedelta)}
        changed = update(Order).where(Order.id == made.id).values(**{**values, **change, **moments})
        await tx.session.execute(changed)
        await tx.session.execute(update(Event).where(Event.order_id == made.id).values(at=tx.now - age))
    return made.id


async def counts(db: Database, order_id: UUID) -> dict[str, int]:
    """Return how many rows of each table an order has."""
    async with db.read() as session:
        return {
            table.name: (
                await session.execute(
                    select(func.count()).select_from(table).where(table.c.order_id == order_id)
                )
            ).scalar_one()
            for table in Base.metadata.sorted_tables
            if "order_id" in table.c
        }


async def read(db: Database, order_id: UUID) -> Order:
    async with db.read() as session:
        return await session.get_one(Order, order_id)


async def test_first_what_is_bulky_goes_and_later_the_rows(db: Database) -> None:
    await webhook(db)
    young, old, very_old = [
        await order(db, name, age) for name, age in (("y", 9 * DAY), ("o", OLD), ("v", VERY_OLD))
    ]
    newest = await order(db, "newest", DAY)
    pruner = Pruner(db, DAYS)
    before = await counts(db, young)
    assert await pruner.forecast() == Forecast(to_clear=2, to_strip=0, kept=0)
    assert await pruner.prune() == Pruned(cleared=2, stripped=1)
    assert await pruner.forecast() == Forecast(to_clear=0, to_strip=0, kept=0)
    assert await pruner.prune() == Pruned()
    assert await counts(db, young) == before
    assert await counts(db, old) == before | {"callbacks": 0}
    assert await counts(db, very_old) == before | {"callbacks": 0, "events": 0}
    names = [(await read(db, each)).site_name for each in (young, old, very_old, newest)]
    assert names == ["y", "", "", "newest"]


UNFINISHED: dict[str, dict[str, Any]] = {
    "open": {"status": "provisioning", "finalized_at": None},
    "asks for attention": {"attention_code": "suspected_duplicate"},
    "may be there twice": {"suspected_duplicates": ["cp-2"]},
    "is due": {"due_at": HOUR},
    "is held": {"lease_token": uuid7(), "lease_until": HOUR},
    "is looked for once more": {"late_look_at": HOUR},
    "is being told": {"delivery": "pending"},
}


@pytest.mark.parametrize("why", UNFINISHED)
async def test_final_is_not_finished(db: Database, why: str) -> None:
    await webhook(db)
    order_id = await order(db, "kept", VERY_OLD, **UNFINISHED[why])
    before = await counts(db, order_id)
    kept = 0 if why == "open" else 1
    assert await Pruner(db, DAYS).forecast() == Forecast(to_clear=0, to_strip=0, kept=kept)
    assert await Pruner(db, DAYS).prune() == Pruned()
    assert (await counts(db, order_id), (await read(db, order_id)).site_name) == (before, "kept")
    async with db.read() as session:
        overdue = await session.execute(first_overdue(await db.now(session), DAYS))
    assert overdue.all() == [], "what stays is not told as overdue"


async def test_what_must_outlive_an_order_does(db: Database) -> None:
    order_id = await order(db, "gone", VERY_OLD, settled_duplicates=["cp-2"])
    await Pruner(db, DAYS).prune()
    left = await read(db, order_id)
    assert (left.cloudpress_order_id, left.settled_duplicates) == ("cp gone", ["cp-2"])
    with pytest.raises(IntegrityError):
        await order(db, "another", DAY, cloudpress_order_id="cp gone")
    repeated = await find_repeated(db, Idempotency("identity", "gone", "fingerprint"))
    assert repeated is not None
    assert repeated.id == order_id
    assert await record_callback(db, order_id, b"late"), "204, no alarm"
    async with db.read() as session:
        kept = select(Callback.id).where(Callback.order_id == order_id)
        assert (await session.execute(kept)).first() is None
        [placement] = await session.scalars(select(Placement).where(Placement.order_id == order_id))
        assert placement.callback_key_id == "k"


async def test_no_number_is_given_again_even_if_the_newest_events_were_pruned(db: Database) -> None:
    await order(db, "gone", VERY_OLD)
    async with db.read() as session:
        highest = (await session.execute(select(func.max(Event.id)))).scalar_one()
    await Pruner(db, DAYS).prune()
    async with db.write() as tx:
        assert (await tx.session.execute(select(func.max(Event.id)))).scalar_one() == highest
        record(tx, None, EventType.SERVICE_RESTORED)
    async with db.read() as session:
        assert (await session.execute(select(func.max(Event.id)))).scalar_one() > highest


async def test_nothing_that_was_delivered_is_sent_again(db: Database) -> None:
    hook = await webhook(db)
    kept, *_ = [await order(db, name, age) for name, age in (("y", DAY), ("o", OLD), ("v", VERY_OLD))]
    await Pruner(db, DAYS).prune()
    async with db.read() as session:
        since = await db.now(session) - 2 * VERY_OLD
        left = select(Event.order_id).join(Delivery, Delivery.event_id == Event.id)
        assert (await session.execute(left)).scalars().all() == [kept]
    assert await redeliver_since(db, hook, since) == 0


async def test_what_a_restored_backup_brings_back_goes_again(db: Database) -> None:
    await order(db, "gone", VERY_OLD)
    await Pruner(db, DAYS).prune()
    await order(db, "back", VERY_OLD)
    assert await Pruner(db, DAYS).prune() == Pruned(cleared=1, stripped=1)


async def test_an_erased_order_keeps_its_timeline_until_it_is_old(db: Database) -> None:
    order_id = await order(db, "erased", DAY)
    async with db.write() as tx:
        await clear(tx, [order_id])
    assert await Pruner(db, DAYS).prune() == Pruned()
    assert (await counts(db, order_id))["events"] > 0


async def test_what_was_done_about_an_old_order_is_told_for_as_long(db: Database) -> None:
    """That it was erased, and by whom; and nobody who reads events now and then is sent back for it."""
    order_id = await order(db, "asks", VERY_OLD, attention_code="suspected_duplicate")
    async with db.write() as tx:
        await tx.session.execute(update(Order).values(attention_code=None))
    assert await erase_order(db, order_id, by=Actor("who asked"))
    assert await Pruner(db, DAYS).forecast() == Forecast(to_clear=0, to_strip=0, kept=0)
    assert await Pruner(db, DAYS).prune() == Pruned()
    async with db.read() as session:
        erased = select(Event.data).where(Event.order_id == order_id, Event.type == EventType.ERASED)
        assert (await session.scalars(erased)).all() == [{"by": "who asked"}]
        assert (await session.scalars(select(Pruning.events_gone_through))).all() == [0]
    async with db.write() as tx:
        await tx.session.execute(update(Event).values(at=tx.now - ROWS_STAY - DAY))
    assert await Pruner(db, DAYS).prune() == Pruned(stripped=1)


async def test_one_replica_prunes_at_a_time(db: Database) -> None:
    await order(db, "gone", OLD)
    pruner = Pruner(db, DAYS)
    claimed = await pruner._claim()
    [claim] = claimed.claims
    with pytest.raises(PruningElsewhereError):
        await Pruner(db, DAYS).prune()
    async with db.write() as tx:
        lost = update(Base.metadata.tables["prunings"]).values(lease_token=uuid7())
        await tx.session.execute(lost)
    assert await pruner._prune(claim, asyncio.Event()) == Pruned(), "who lost the lease stops"
    assert claim.expires_at_uptime - tx.began_at_uptime <= LEASE_SECONDS


async def test_a_service_prunes_by_itself_and_says_what_is_gone(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        db = presshook.service.db
        gone = await order(db, "gone", VERY_OLD)
        kept = await order(db, "kept", DAY)
        async with db.read() as session:
            of_gone = select(func.max(Event.id)).where(Event.order_id == gone)
            oldest = (await session.execute(of_gone)).scalar_one() + 1
        pruning = asyncio.create_task(Pruner(db, DAYS).run(presshook.service.signals.stopping))
        client = presshook.client

        async def status(path: str, **headers: str) -> tuple[int, Any]:
            answer = await client.get(path, headers=headers)
            return answer.status_code, answer.json().get("oldest") if answer.status_code == 410 else None

        await eventually(partial(status, "/v1/events"), lambda seen: seen[0] == 410)
        refused = (410, oldest)
        streamed = {"Accept": "text/event-stream"}
        for path in ("/v1/events", f"/v1/orders/{gone}/events", f"/v1/events?cursor={oldest - 2}"):
            assert await status(path) == refused
        assert await status("/v1/events", **streamed, **{"Last-Event-ID": str(oldest - 2)}) == refused
        assert await status(f"/v1/orders/{gone}/events", **streamed) == refused
        for path in (
            f"/v1/events?cursor={oldest - 1}",
            f"/v1/orders/{kept}/events",
            "/v1/events?type=key.created",
            "/v1/orders",
            f"/v1/orders/{gone}",
        ):
            assert await status(path) == (200, None)
        whole = (await client.get(f"/v1/orders/{kept}/events")).json()["data"]
        told = await read_all(client, f"/v1/orders/{kept}/events", after=oldest - 1)
        assert [each.body for each in told] == whole
        presshook.service.signals.stop()
        await pruning


def test_the_command_needs_a_span_and_can_only_tell(database_url: str) -> None:
    def prune(*arguments: str, **env: str) -> tuple[int, str]:
        run = CliRunner().invoke(
            command_line(["prune"]), ["prune", *arguments], env={"DATABASE_URL": database_url, **env}
        )
        return run.exit_code, run.output or str(run.exception)

    assert prune(RETENTION_DAYS="off") == (1, "RETENTION_DAYS: is not set, so everything is kept for ever")
    assert "must be a positive number of days, or off" in prune(RETENTION_DAYS="0")[1]
    assert prune("--dry-run", RETENTION_DAYS="1.5")[1].startswith("0 orders would lose")
    assert prune(RETENTION_DAYS="1.5") == (
        0,
        "0 orders are tombstones now.\n0 tombstones lost their events.\n",
    )


@pytest.mark.parametrize("bounds", [ON_SQLITE, ON_POSTGRESQL])
def test_a_batch_shrinks_until_nobody_feels_it_and_grows_where_there_is_time(bounds: Bounds) -> None:
    def after(seconds_an_order: float, batches: int, size: int) -> int:
        for _ in range(batches):
            size = bounds.next_size(size, size * seconds_an_order)
        return size

    assert after(bounds.seconds, batches=100, size=bounds.most) == bounds.least
    assert after(bounds.seconds / 1000, batches=100, size=bounds.least) == bounds.most
    sizes = {after(bounds.seconds / 10, batches, bounds.least) for batches in range(50, 100)}
    assert max(sizes) <= 10 + 1 + 10 // 4


class CommitClock(DatabaseClock):
    """A clock by which only commits take time."""

    def __init__(self) -> None:
        self.passed = 0.0

    def uptime(self) -> float:
        return self.passed


async def test_what_a_batch_costs_anyway_makes_it_no_smaller(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the disk and for the turn to write are as long, however few orders a batch has."""
    sizes = []
    # Statements take no time by this clock, also where the machine has much else to do.
    clock = CommitClock()

    def wait(_connection: Connection) -> None:
        clock.passed += 1.2 * pruner._bounds.seconds

    async def clear_and_note(*arguments: Any) -> Any:
        sizes.append(pruner._at_once)
        return await cleared(*arguments)

    for number in range(20):
        await order(db, f"gone {number}", OLD)
    pruner = Pruner(db, DAYS)
    monkeypatch.setattr(db, "_clock", clock)
    monkeypatch.setattr("app.maintenance.retention.PAUSE_SHARE", 0.0)
    cleared = pruner._clear
    monkeypatch.setattr(pruner, "_clear", clear_and_note)
    listened = (db._writer.sync_engine, "commit", wait)
    event.listen(*listened)
    try:
        assert (await pruner.prune()).cleared == 20
    finally:
        event.remove(*listened)
    assert sizes == sorted(set(sizes)), "each batch is larger than the one before"
    assert sizes[0] == pruner._bounds.least


async def test_a_lease_is_renewed_long_before_it_ends_and_not_for_each_batch(db: Database) -> None:
    [claim] = (await Pruner(db, DAYS)._claim()).claims

    async def left_after_a_batch() -> float:
        batch = await Pruner(db, DAYS)._clear(claim, None)
        assert batch is not None
        async with db.write() as tx:
            ends = await tx.session.scalar(select(Pruning.lease_ends_at_uptime))
            assert ends is not None
            return float(ends) - tx.began_at_uptime

    first = await left_after_a_batch()
    async with db.write() as tx:
        nearly_over = tx.began_at_uptime + LEASE_SECONDS / 3
        await tx.session.execute(update(Pruning).values(lease_ends_at_uptime=nearly_over))
    assert await left_after_a_batch() > LEASE_SECONDS / 2
    assert first <= LEASE_SECONDS


async def test_metrics_tell_what_was_pruned_and_how_long_ago_it_had_to_be(
    database_url: str, sandbox: Sandbox
) -> None:
    def value(text: str, name: str) -> float | None:
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    overdue, pruned = "presshook_pruning_overdue_seconds", "presshook_pruned_orders_total"
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        await order(presshook.service.db, "old", OLD)
        text = (await presshook.client.get("/metrics")).text
        assert value(text, overdue) is None, "everything is kept"
    async with run_presshook(database_url, sandbox.url, reconcile=False, retention_days=DAYS) as presshook:
        text = (await presshook.client.get("/metrics")).text
        assert value(text, overdue) == pytest.approx(DAY.total_seconds(), abs=60)
        await Pruner(presshook.service.db, DAYS, presshook.service.metrics).prune()
        text = (await presshook.client.get("/metrics")).text
        assert value(text, f'{pruned}{{step="cleared"}}') == 1
    async with run_presshook(database_url, sandbox.url, reconcile=False, retention_days=DAYS) as presshook:
        assert value((await presshook.client.get("/metrics")).text, overdue) == 0
