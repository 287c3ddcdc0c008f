"""Whether a database can be worked on: its rights, its disk, its keys, and what is said where it cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from app.cli.serve import prepare
from app.config.loading import SettingsError
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.db.models import WriteProbe
from app.db.url import async_database_url
from app.maintenance import fitness
from app.maintenance.fitness import Usability, require_readable
from app.orders.callbacks import record_callback
from app.orders.intake import NewOrder, create_order
from app.secrets import Encryption, UndecryptableError
from tests.databases import PostgresServer
from tests.harness import run_presshook
from tests.settings import SECRET_KEY, make_settings

NOWHERE = "http://127.0.0.1:9"
OTHER_KEY = "another-secret-key-that-is-long-enough"
FULL = [
    """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$""",
    "CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION full_disk()",
]


@asynccontextmanager
async def database(url: str, secret_key: str = SECRET_KEY) -> AsyncIterator[Database]:
    db = Database(async_database_url(url), Encryption([secret_key]))
    try:
        yield db
    finally:
        await db.dispose()


async def order_with_a_callback(db: Database) -> UUID:
    order = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    await record_callback(db, order.id, b"{}")
    return order.id


@pytest.mark.parametrize(
    ("rights", "lacking"),
    [("SELECT", "INSERT on orders"), ("SELECT, INSERT, UPDATE, DELETE", "USAGE on the sequence of events")],
)
async def test_a_role_without_rights_is_not_ready(
    postgres_server: PostgresServer, postgres_url: str, rights: str, lacking: str
) -> None:
    with postgres_server.url_of_role(postgres_url, rights) as url, capture_logs() as told:
        async with run_presshook(url, NOWHERE, reconcile=False) as presshook:
            for answer in (
                await presshook.client.get("/readyz"),
                await presshook.order("Not stored", wait=0),
            ):
                assert (answer.status_code, answer.json()["type"]) == (
                    503,
                    "urn:presshook:problem:database-away",
                )
    reasons = [each["reason"] for each in told if each["event"] == "database_away"]
    assert any(lacking in reason for reason in reasons)
    assert {each.get("sqlstate") for each in told if "reason" in each} >= {"42501"}


async def test_a_database_that_writes_nothing_is_not_ready(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.set_default(postgres_url, "default_transaction_read_only", "on")
    async with run_presshook(postgres_url, NOWHERE, reconcile=False) as presshook:
        assert (await presshook.client.get("/readyz")).status_code == 503
        assert (await presshook.client.get("/livez")).status_code == 200


async def test_a_full_disk_is_not_ready_although_a_little_can_be_written(postgres_url: str) -> None:
    async with database(postgres_url) as db:
        usability = Usability(db)
        await usability.prove()
        async with db.write() as tx:
            for statement in FULL:
                await tx.session.execute(text(statement))
        with capture_logs() as told:
            for _ in range(3):
                with pytest.raises(OperationalError):
                    await order_with_a_callback(db)
            with pytest.raises(DATABASE_AWAY):
                await usability.prove()
        [away] = [each for each in told if each["event"] == "database_away"]
        assert (away["sqlstate"], away["log_level"]) == ("53100", "error"), "told once"
        assert "No space left on device" in away["reason"]


async def test_a_full_disk_under_sqlite_is_not_ready(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = make_settings(f"sqlite:///{tmp_path_factory.mktemp('full')}/presshook.db")
    await asyncio.to_thread(prepare, settings)
    async with database(settings.database_url.get_secret_value()) as db:

        @event.listens_for(db._writer.sync_engine, "begin")
        def fill(connection: object) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

        large = NewOrder("acct", "Site" * 50_000, "vanilla", None, None, None, {})
        with pytest.raises(DATABASE_AWAY):
            await create_order(db, large, None)
        with pytest.raises(DATABASE_AWAY):
            await Usability(db).prove()


async def test_many_who_ask_cost_one_row(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database(database_url) as db:
        usability = Usability(db)
        await asyncio.gather(*(usability.prove() for _ in range(20)))
        monkeypatch.setattr(fitness, "PROOF_SECONDS", 0.0)
        await usability.prove()
        async with db.read() as session:
            assert len((await session.scalars(select(WriteProbe))).all()) == 1


async def test_another_secret_key_is_told_where_something_is_encrypted(database_url: str) -> None:
    async with database(database_url, OTHER_KEY) as other:
        await require_readable(other)
        async with database(database_url) as db:
            await order_with_a_callback(db)
            await require_readable(db)
        with pytest.raises(UndecryptableError):
            await require_readable(other)


async def test_what_is_empty_hides_no_older_value_that_is_encrypted(database_url: str) -> None:
    async with database(database_url, OTHER_KEY) as other, database(database_url) as db:
        order_id = await order_with_a_callback(db)
        await record_callback(db, order_id, b"")
        with pytest.raises(UndecryptableError):
            await require_readable(other)


async def test_it_stops_the_start_in_one_line(database_url: str) -> None:
    async with database(database_url) as db:
        await order_with_a_callback(db)
    await asyncio.to_thread(prepare, make_settings(database_url))
    one_line = (
        r"^SECRET_KEY: no key of SECRET_KEY decrypts a stored value; add the key that it was stored under$"
    )
    with pytest.raises(SettingsError, match=one_line):
        await asyncio.to_thread(prepare, make_settings(database_url, secret_key=OTHER_KEY))


async def test_a_start_waits_for_a_database_that_is_away() -> None:
    await asyncio.to_thread(prepare, make_settings("postgresql://presshook@127.0.0.1:9/presshook"))
