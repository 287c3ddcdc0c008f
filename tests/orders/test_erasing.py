"""Erasure: the words are looked for in every column of every table, and in the database's files."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import JSON, Column, LargeBinary, String, Table, Text, delete, func, select, update
from sqlalchemy.engine import make_url
from uuid_utils.compat import uuid7

from app.db.columns import Base, EncryptedBytes
from app.db.database import Database
from app.db.models import (
    Callback,
    Delivery,
    DeliveryAttempt,
    Event,
    LookUp,
    Order,
    Orphan,
    Placement,
    Site,
    Task,
    Webhook,
)
from app.db.url import async_database_url
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.callbacks import record_callback
from app.orders.erasing import UnfinishedError, erase_order
from app.orders.intake import Idempotency, IdempotencyConflictError, NewOrder, create_order, find_repeated
from app.secrets import Encryption
from app.states import OrderStatus
from tests.databases import PostgresServer
from tests.settings import SECRET_KEY

WORD = "Rosalind-Überall"
AS_BYTES = (WORD.encode(), json.dumps(WORD).strip('"').encode())
LONGEST_WORD_OF_OURS = 40
OPERATOR = Actor("somebody")
# What stands for good; whoever adds a column that may hold words erases it, or says here why it stays.
KEPT = {
    ("orders", "account_id"): "whose CloudPress account it is",
    ("orders", "variant"): "a word of CloudPress's list",
    ("orders", "idempotency_identity"): "whose key the idempotency key belongs to",
    ("orders", "idempotency_fingerprint"): "a digest",
    ("orders", "cloudpress_order_id"): "that it is ours",
    ("orders", "cloudpress_order_id_source"): "how that was learned, a word of ours",
    ("orders", "cloudpress_status"): "a word of CloudPress's list",
    ("orders", "error_code"): "a word of ours",
    ("orders", "attention_code"): "a word of ours; none where an order can be erased",
    ("orders", "attention_detail"): "none where an order can be erased",
    ("orders", "trouble_kind"): "a word of ours",
    ("orders", "lease_boot"): "the name of a machine's start",
    ("orders", "suspected_duplicates"): "ids of CloudPress; none where an order can be erased",
    ("orders", "settled_duplicates"): "ids of CloudPress, which are ours",
    ("placements", "cloudpress_order_id"): "that it is ours",
    ("orphans", "account_id"): "whose CloudPress account it is",
    ("orphans", "cloudpress_order_id"): "that it is ours",
    ("orphans", "cloudpress_status"): "a word of CloudPress's list",
    ("orphans", "variant"): "a word of CloudPress's list",
    ("orphans", "settled"): "who did what",
    ("placements", "sent_boot"): "the name of a machine's start",
    ("sites", "id"): "that it is ours",
    ("tasks", "status"): "a word of CloudPress's list",
}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    yield db
    await db.dispose()


def of_orders() -> Iterator[Table]:
    """Return the tables that have something of an order: those that lead to one, through whatever others."""
    found = {"orders", "orphans"}
    for table in Base.metadata.sorted_tables:  # each after what it refers to
        if table.name in found or found & {key.column.table.name for key in table.foreign_keys}:
            found.add(table.name)
            yield table


def filled(column: Column[Any]) -> Any:
    """Return the word in whatever form a column takes; None for one that takes no words."""
    if isinstance(column.type, EncryptedBytes | LargeBinary):
        return WORD.encode()
    if isinstance(column.type, JSON):
        return {"name": WORD, WORD: [{"deep": WORD}], "by": "a key"}
    takes_words = isinstance(column.type, Text) or (
        isinstance(column.type, String) and (column.type.length or 0) > LONGEST_WORD_OF_OURS
    )
    return WORD if takes_words else None


async def finished_order(db: Database) -> UUID:
    """Store a final order with something in every table, and the word in every column that takes one."""
    key = Idempotency("identity", f"{WORD}'s order", "fingerprint")
    order = await create_order(db, NewOrder("acct", WORD, "vanilla", None, None, None, {}), key)
    await record_callback(db, order.id, WORD.encode())
    async with db.write() as tx:
        now, order_id = tx.now, order.id
        for row in (
            Placement(order_id=order_id, attempt=1, sent_at=now, outcome="accepted", callback_key_id="key"),
            Task(order_id=order_id, id=1, status="OK"),
            Site(order_id=order_id, id="site", details={}, answer=b"", read_at=now),
            LookUp(order_id=order_id, unseen=[], candidates=[], suspects=[], completed=1),
            Orphan(account_id="acct", cloudpress_order_id="cp-1", site_name=WORD, found_at=now),
            Webhook(
                id=uuid7(), url="http://a.test/", is_enabled=True, secret=b"s", created_at=now, updated_at=now
            ),
        ):
            tx.session.add(row)
        await tx.session.flush()
        record(tx, order_id, EventType.COMPLETED, shown={"name": WORD})
    async with db.write() as tx:
        webhook = (await tx.session.scalars(select(Webhook))).one()
        for event in await tx.session.scalars(select(Event)):
            tx.session.add(
                Delivery(
                    id=uuid7(), webhook_id=webhook.id, event_id=event.id, status="pending",
                    due_at=tx.now, created_at=tx.now,
                )
            )  # fmt: skip
        await tx.session.flush()
        for delivery in await tx.session.scalars(select(Delivery)):
            tx.session.add(DeliveryAttempt(delivery_id=delivery.id, number=1, ended_at=tx.now, duration_ms=1))
        await tx.session.flush()
        for table in of_orders():
            words = {column.name: filled(column) for column in table.columns}
            kept = {"idempotency_identity", "idempotency_key", "idempotency_fingerprint"}
            words = {name: word for name, word in words.items() if word is not None and name not in kept}
            await tx.session.execute(update(table).values(words))
        await tx.session.execute(
            update(Order).values(
                status=OrderStatus.COMPLETED, finalized_at=tx.now, due_at=None, attention_code=None,
                suspected_duplicates=None,
            )
        )  # fmt: skip
    return order.id


async def found_in_columns(db: Database) -> set[tuple[str, str]]:
    """Return the columns, of all tables, in which the word is."""
    found = set()
    async with db.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).mappings():
                found |= {(table.name, name) for name, value in row.items() if WORD in as_text(value)}
    return found


def as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return json.dumps(value, ensure_ascii=False, default=str)


async def test_no_column_of_any_table_has_the_erased_words(db: Database) -> None:
    order_id = await finished_order(db)
    before = await found_in_columns(db)
    assert {table for table, _ in before} == {table.name for table in of_orders()}
    assert await erase_order(db, order_id, by=OPERATOR)
    assert await found_in_columns(db) <= KEPT.keys()


async def test_no_orphan_that_was_taken_for_the_order_keeps_its_name(db: Database) -> None:
    """Held by the order, named in an answer to an attempt, or a double that was settled; and no other."""
    order_id = await finished_order(db)
    found = [("acct", f"cp-{number}") for number in range(1, 5)] + [("another", "cp-2")]
    async with db.write() as tx:
        await tx.session.execute(delete(Orphan))
        for account_id, cloudpress_order_id in found:
            tx.session.add(
                Orphan(
                    account_id=account_id, cloudpress_order_id=cloudpress_order_id, site_name=WORD,
                    found_at=tx.now,
                )
            )  # fmt: skip
        await tx.session.execute(
            update(Order).values(account_id="acct", cloudpress_order_id="cp-1", settled_duplicates=["cp-2"])
        )
        await tx.session.execute(update(Placement).values(cloudpress_order_id="cp-3"))
    assert await erase_order(db, order_id, by=OPERATOR)
    async with db.read() as session:
        named = select(Orphan.account_id, Orphan.cloudpress_order_id).where(Orphan.site_name == WORD)
        assert {tuple(row) for row in await session.execute(named)} == {("acct", "cp-4"), ("another", "cp-2")}


async def test_who_asked_is_recorded_once(db: Database) -> None:
    order_id = await finished_order(db)
    by_key = uuid7()
    for actor in (Actor("the first", by_key), Actor("the second")):
        assert await erase_order(db, order_id, by=actor)
    async with db.read() as session:
        erased = select(Event).where(Event.type == EventType.ERASED)
        [event] = await session.scalars(erased)
        [accepted] = await session.scalars(select(Event).where(Event.type == EventType.ACCEPTED))
        assert event.data == {"by": "the first", "by_key": str(by_key)}
        assert accepted.data == {"by": "a key"}, "what others did stays"
        assert (await session.execute(select(func.count(Delivery.id)))).scalar_one() == 0
        order = await session.get_one(Order, order_id)
        assert order.erased_at == order.updated_at
    assert not await erase_order(db, uuid7(), by=OPERATOR)


async def test_a_late_callback_of_an_erased_order_is_let_in_and_not_kept(db: Database) -> None:
    order_id = await finished_order(db)
    await erase_order(db, order_id, by=OPERATOR)
    assert await record_callback(db, order_id, WORD.encode())
    async with db.read() as session:
        assert (await session.execute(select(func.count(Callback.id)))).scalar_one() == 0
        assert (await session.get_one(Order, order_id)).due_at is None


async def test_an_idempotency_key_stands_for_its_erased_order(db: Database) -> None:
    order_id = await finished_order(db)
    await erase_order(db, order_id, by=OPERATOR)
    same = Idempotency("identity", f"{WORD}'s order", "fingerprint")
    again = await create_order(db, NewOrder("acct", WORD, "vanilla", None, None, None, {}), same)
    assert again.id == order_id
    with pytest.raises(IdempotencyConflictError):
        await find_repeated(db, Idempotency("identity", same.key, "another"))
    assert await find_repeated(db, Idempotency("another", same.key, "fingerprint")) is None


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "provisioning", "finalized_at": None}, "only what is final can be erased"),
        ({"due_at": HOUR}, "is looked at once more"),
        ({"late_look_at": HOUR}, "is looked at once more"),
        ({"attention_code": "suspected_duplicate"}, "asks for attention"),
        ({"suspected_duplicates": ["cp-2"]}, "asks for attention"),
        ({"lease_token": uuid7(), "lease_until": HOUR}, "is looked at once more"),
    ],
)
async def test_what_may_still_become_something_is_kept(
    db: Database, change: dict[str, Any], said: str
) -> None:
    order_id = await finished_order(db)
    async with db.write() as tx:
        moments = {name: tx.now + span for name, span in change.items() if isinstance(span, timedelta)}
        await tx.session.execute(update(Order).values(**{**change, **moments}))
    before = await found_in_columns(db)
    with pytest.raises(UnfinishedError, match=said):
        await erase_order(db, order_id, by=OPERATOR)
    assert await found_in_columns(db) == before


async def test_an_attempt_that_may_still_be_answered_keeps_its_order(db: Database) -> None:
    order_id = await finished_order(db)
    async with db.write() as tx:
        await tx.session.execute(update(Placement).values(outcome=None))
    with pytest.raises(UnfinishedError):
        await erase_order(db, order_id, by=OPERATOR)
    async with db.write() as tx:
        await tx.session.execute(update(Placement).values(sent_at=tx.now - 6 * HOUR))
    assert await erase_order(db, order_id, by=OPERATOR)


async def test_the_files_have_none_of_the_words_after_a_vacuum(
    db: Database, database_url: str, request: pytest.FixtureRequest
) -> None:
    order_id = await finished_order(db)
    async with db.write() as tx:
        for name, column in KEPT:
            table = Base.metadata.tables[name]
            await tx.session.execute(update(table).values({column: STANDING.get(column)}))
    assert words_in(files(database_url, request)), "the test finds what is there"
    await erase_order(db, order_id, by=OPERATOR)
    await db.dispose()
    assert words_in(files(database_url, request, vacuum=True)) == []


STANDING = {
    "account_id": "acct",
    "cloudpress_order_id": "cp-1",
    "variant": "vanilla",
    "status": "OK",
    "id": "site",
}


def files(url: str, request: pytest.FixtureRequest, *, vacuum: bool = False) -> Sequence[Path]:
    """Return the files of a database, with all that is committed in them."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(path)) as connection:
            if vacuum:
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return [each for each in path.parent.glob(f"{path.name}*") if each.is_file()]
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with psycopg.connect(url, autocommit=True) as connection:
        if vacuum:
            connection.execute("VACUUM (FULL, ANALYZE)")
            connection.execute("VACUUM FULL pg_statistic")
        connection.execute("CHECKPOINT")
        [oid] = connection.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone() or [0]
    assert make_url(url).database
    return [each for each in (server.server.pgdata / "base" / str(oid)).iterdir() if each.is_file()]


def words_in(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths if any(word in path.read_bytes() for word in AS_BYTES)]
