"""How statements find their rows: none takes longer for every order that there ever was."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Engine, Table, event, insert, select, text, update

from app.db import models
from app.db.database import Database
from app.db.url import async_database_url
from app.maintenance.old_orders import first_overdue
from app.maintenance.retention import Pruner
from app.orders.erasing import clear, digested
from app.orders.intake import Idempotency, NewOrder, OrderIntake, create_order, find_repeated
from app.queue import leases
from app.reconciler.known import read_known
from app.secrets import Encryption
from tests.databases import plain_engine
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.receiver import LOCAL_NETWORKS, Receiver
from tests.settings import SECRET_KEY

PAST_ORDERS = 3000
# What a statement may look at: a page of a list with what belongs to it, not a share of what there is.
MOST_ROWS = 600
# SQLite counts steps of its machine, not rows: one row costs at least these.
STEPS_OF_A_ROW = 5

BELONGING = (models.Placement, models.Callback, models.Task, models.Site, models.Event)
"""What an order leaves behind, beside deliveries."""


@contextmanager
def listening() -> Iterator[dict[str, Any]]:
    """Collect the statements that run in the block, each with the parameters of its last run."""
    asked: dict[str, Any] = {}

    def note(*arguments: Any) -> None:
        statement, parameters, is_many = arguments[2], arguments[3], arguments[5]
        if statement.split(maxsplit=1)[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}:
            asked[statement] = parameters[0] if is_many else parameters

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def live(presshook: Presshook, receiver: Receiver) -> UUID:
    """Have orders of every kind, and ask for what applications ask for; return one that went well."""
    client = presshook.client
    await client.post("/v1/webhooks", json={"url": receiver.url})
    lost = await presshook.order_among_others("Lost [place-lost] [callback-lost]")
    await presshook.until(lost, "completed")
    plain = (await presshook.order("Plain")).json()["id"]
    await presshook.until(plain, "completed")
    twins = [(await presshook.order("Twin [place-lost]", wait=0)).json()["id"] for _ in range(2)]
    unpaid = (await presshook.order("Unpaid [unpaid]", wait=0)).json()["id"]
    for twin in twins:
        await presshook.until(twin, "completed", "unconfirmed")
    await client.delete(f"/v1/orders/{unpaid}")
    for path in (
        f"/v1/orders/{plain}",
        f"/v1/orders/{plain}/timeline",
        f"/v1/orders/{plain}/credentials",
        "/v1/orders",
        "/v1/orders?status=completed",
        "/v1/orders?attention=true",
        "/v1/events",
        "/v1/orphans",
        "/metrics",
        "/readyz",
    ):
        assert (await client.get(path)).status_code < 500, path

    async def received() -> int:
        return len(receiver.messages)

    await eventually(received, lambda number: number > 3)
    return UUID(plain)


def a_year_ago(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it was a year ago."""
    return {
        name: value - timedelta(days=365) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def as_past(table: Table, row: dict[str, Any], number: int, order_id: UUID) -> dict[str, Any]:
    """Return the like of a row that is another order's, with what nothing but that one has.

    What all orders shared would be looked for in another way, or not, as chance has the planner guess.
    """
    like = {**row, "id" if table.name == "orders" else "order_id": order_id}
    renamed: dict[str, dict[str, Any]] = {
        "orders": {"cloudpress_order_id": f"past-{number}", "idempotency_key": None},
        "placements": {"cloudpress_order_id": f"past-{number}"},
        "callbacks": {"task_id": 10**6 + number},
        "tasks": {"id": 10**6 + number},
        "sites": {"id": f"past-{number}"},
    }
    like.update(renamed.get(table.name, {}))
    if table.name in {"events", "callbacks"}:
        del like["id"]
    return like


async def fill(db: Database, order_id: UUID) -> None:
    """Make thousands of past orders of the account of one that went well, with all that belongs to it."""
    past = [uuid4() for _ in range(PAST_ORDERS)]
    async with db.write() as tx:
        connection = await tx.session.connection()
        for model in (models.Order, *BELONGING):
            table: Table = model.__table__  # type: ignore[assignment]
            column = table.c.id if model is models.Order else table.c.order_id
            rows = (await connection.execute(select(table).where(column == order_id))).mappings().all()
            assert rows, f"an order has none of {table.name}"
            row = a_year_ago(dict(rows[0]))
            likes = [as_past(table, row, number, each) for number, each in enumerate(past)]
            await connection.execute(insert(table), likes)
        deliveries: Table = models.Delivery.__table__  # type: ignore[assignment]
        done = select(deliveries).where(deliveries.c.due_at.is_(None)).limit(1)
        sample = (await connection.execute(done)).mappings().one()
        events = await connection.scalars(select(models.Event.id).where(models.Event.order_id.in_(past)))
        sent = [{**sample, "id": uuid4(), "event_id": number} for number in events]
        await connection.execute(insert(deliveries), sent)


def rows_on_sqlite(url: str, statement: str, parameters: Any) -> float:
    """Return how many rows a statement looks at, as far as the steps of SQLite's machine tell."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 10
        return 0

    with sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None) as connection:
        connection.execute("BEGIN")
        connection.set_progress_handler(count, 10)
        with suppress(sqlite3.IntegrityError):  # what is refused was found
            connection.execute(statement, parameters).fetchall()
        connection.set_progress_handler(None, 0)
        connection.execute("ROLLBACK")
    return steps / STEPS_OF_A_ROW


def rows_on_postgresql(url: str, statement: str, parameters: Any) -> float:
    """Return how many rows a statement looks at, by PostgreSQL's own account of it."""
    with psycopg.connect(url) as connection:
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {statement}".encode()
        try:
            [(plan,)] = connection.execute(explained, parameters).fetchall()
        except psycopg.IntegrityError:
            return 0  # what is refused was found
        connection.rollback()
    document = json.loads(plan) if isinstance(plan, str) else plan
    return looked_at(document[0]["Plan"])


def looked_at(node: dict[str, Any]) -> float:
    """Return how many rows a node of a plan, and those under it, looked at."""
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    own = float(node["Actual Loops"] * (node["Actual Rows"] + removed))
    return own + sum(looked_at(each) for each in node.get("Plans", ()))


def looking_far(url: str, asked: dict[str, Any]) -> dict[str, float]:
    """Return the statements that look at too many rows, each with their number."""
    looking = rows_on_sqlite if url.startswith("sqlite") else rows_on_postgresql
    found = {statement: looking(url, statement, parameters) for statement, parameters in asked.items()}
    return {statement: rows for statement, rows in found.items() if rows > MOST_ROWS}


def change(url: str, *statements: str) -> None:
    """Run statements, and have PostgreSQL know what there is now."""
    asked = (*statements, *(() if url.startswith("sqlite") else ("VACUUM ANALYZE",)))
    with plain_engine(url) as engine, engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in asked:
            connection.execute(text(statement))


async def test_nothing_takes_longer_for_every_past_order(
    database_url: str, sandbox: Sandbox, receiver: Receiver
) -> None:
    with listening() as asked:
        async with run_presshook(
            database_url,
            sandbox.url,
            placement_grace_seconds=1.5,
            callback_wait_seconds=0.2,
            webhook_allowed_networks=LOCAL_NETWORKS,
        ) as presshook:
            plain = await live(presshook, receiver)
            known = dict(asked)
            await fill(presshook.service.db, plain)
    change(database_url)
    assert len(known) > 40
    assert not looking_far(database_url, known)


async def test_a_claim_looks_at_none_of_the_orders_that_wait(database_url: str) -> None:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    orders: Table = models.Order.__table__  # type: ignore[assignment]
    due = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    async with db.write() as tx:
        connection = await tx.session.connection()
        [row] = (await connection.execute(select(orders))).mappings().all()
        later = {**row, "due_at": tx.now + timedelta(hours=1), "idempotency_key": None}
        await connection.execute(insert(orders), [{**later, "id": uuid4()} for _ in range(PAST_ORDERS)])
    with listening() as asked:
        async with db.write() as tx:
            claimed = await leases.claim(tx, models.Order, limit=10, lease_seconds=60)
            again = await leases.claim(tx, models.Order, limit=10, lease_seconds=60)
    assert [claim.row.id for claim in claimed.claims] == [due.id]
    assert (again.claims, again.is_more_due) == ((), False)
    assert again.next_due_seconds == 60, "what is held is looked at once its lease has run out"
    await db.dispose()
    change(database_url)
    assert not looking_far(database_url, asked)


async def test_nor_does_what_is_read_with_it_look_at_those_that_are_sought(database_url: str) -> None:
    """Of an order that was answered it is asked whether a sought one's callback named what it has."""
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    orders: Table = models.Order.__table__  # type: ignore[assignment]
    look_ups: Table = models.LookUp.__table__  # type: ignore[assignment]
    answered = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    sought = [uuid4() for _ in range(PAST_ORDERS)]
    nothing: dict[str, Any] = {"unseen": [], "candidates": [], "suspects": [], "completed": 1}
    async with db.write() as tx:
        connection = await tx.session.connection()
        [row] = (await connection.execute(select(orders))).mappings().all()
        unconfirmed = {**row, "status": "unconfirmed", "due_at": tx.now + timedelta(hours=1)}
        await connection.execute(insert(orders), [{**unconfirmed, "id": each} for each in sought])
        claims = [
            {**nothing, "order_id": each, "claimed": ["cp-9"] if each == sought[0] else []} for each in sought
        ]
        await connection.execute(insert(look_ups), claims)
        placed = {
            "status": "provisioning",
            "cloudpress_order_id": "cp-9",
            "cloudpress_order_id_source": "answer",
        }
        await connection.execute(update(orders).where(orders.c.id == answered.id).values(**placed))
    with listening() as asked:
        async with db.write() as tx:
            [claim] = (await leases.claim(tx, models.Order, limit=10, lease_seconds=60)).claims
            known = await read_known(tx, [claim.row])
    assert known[answered.id].may_be_named_for_another
    await db.dispose()
    change(database_url)
    assert not looking_far(database_url, asked)


async def test_an_idempotency_key_is_found_among_all_that_one_client_ever_used(database_url: str) -> None:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    orders: Table = models.Order.__table__  # type: ignore[assignment]
    new = NewOrder("acct", "Site", "vanilla", None, None, None, {})
    keys = [Idempotency("identity", f"new {number}", "fingerprint") for number in range(10)]
    await create_order(db, new, keys[0])
    async with db.write() as tx:
        connection = await tx.session.connection()
        [row] = (await connection.execute(select(orders))).mappings().all()
        past = [{**row, "id": uuid4(), "idempotency_key": f"past {n}"} for n in range(PAST_ORDERS)]
        past += [{**row, "id": uuid4(), "idempotency_key": digested(f"gone {n}")} for n in range(PAST_ORDERS)]
        await connection.execute(insert(orders), past)
    with listening() as asked:
        intake = OrderIntake(db)
        ids = [order.id for order in await asyncio.gather(*(intake.create(new, key) for key in keys[1:]))]
        async with db.write() as tx:
            await clear(tx, ids)
        assert await find_repeated(db, keys[1])
    await db.dispose()
    change(database_url)
    assert sum("idempotency_key" in statement for statement in asked) >= 3
    assert not looking_far(database_url, asked)


# All were sent lately, as a busy service's: no index on that narrows them down.
BUSY = "UPDATE placements SET sent_at = (SELECT max(sent_at) FROM placements), outcome = 'accepted'"
# All past orders but a few are what pruning leaves of them.
PRUNED = (
    "UPDATE orders SET erased_at = updated_at, stripped_at = updated_at "
    "WHERE id NOT IN (SELECT id FROM orders WHERE erased_at IS NULL ORDER BY finalized_at DESC LIMIT 10)"
)


async def test_pruning_finds_what_is_old_whatever_there_is_and_whatever_is_pruned(
    database_url: str, sandbox: Sandbox, receiver: Receiver
) -> None:
    async with run_presshook(
        database_url, sandbox.url, placement_grace_seconds=1.5, callback_wait_seconds=0.2,
        webhook_allowed_networks=LOCAL_NETWORKS,
    ) as presshook:  # fmt: skip
        db = presshook.service.db
        await fill(db, await live(presshook, receiver))
    change(database_url, BUSY)
    with listening() as asked:
        db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
        pruner = Pruner(db, days=1)
        [claim] = (await pruner._claim()).claims
        for prune in (pruner._clear, pruner._strip):
            first = await prune(claim, None)
            assert first is not None
            assert first.pruned
            second = await prune(claim, first.last)
            assert second is not None
            assert second.pruned or prune == pruner._strip
        await pruner._release(claim)
        async with db.read() as session:
            overdue = await session.execute(first_overdue(await db.now(session), 1))
            assert overdue.one()
        await db.dispose()
    known = dict(asked)
    assert len(known) > 20
    assert not looking_far(database_url, known)
    change(database_url, PRUNED)
    assert not looking_far(database_url, known)
