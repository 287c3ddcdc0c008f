"""Databases that are reused: what a test has used is as a clone of the template for the next, or dropped."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests import reused_databases
from tests.databases import PostgresServer
from tests.kept_connections import kept, kept_open
from tests.reconciler.scripted import Bench
from tests.reused_databases import ReusedDatabases

QUESTIONS = (
    "SELECT * FROM pg_sequences ORDER BY schemaname, sequencename",
    "SELECT name, setting FROM pg_settings ORDER BY name",
)


def everything(url: str) -> list[Any]:
    """Return all sequences, settings and rows."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        questions = [*QUESTIONS, *(f"TABLE {name}" for (name,) in tables)]
        return [connection.execute(each.encode()).fetchall() for each in questions]


async def use(url: str) -> int:
    """Order, and have passes over it; return the number of the first event."""
    bench = Bench(url)
    order_id = await bench.order()
    await bench.work()
    first = (await bench.events(order_id))[0].id
    await bench.db.dispose()
    return first


async def test_one_that_was_used_is_as_a_clone(postgres_server: PostgresServer) -> None:
    databases = ReusedDatabases(postgres_server)
    with postgres_server.migrated_url() as clone:
        expected = everything(clone)
    for _ in range(3):
        with databases.migrated_url() as url:
            assert everything(url) == expected
            assert await use(url) == 1
            assert everything(url) != expected
            with psycopg.connect(url) as connection:
                connection.execute("DELETE FROM prunings")
    assert len(databases._idle) == 1
    assert databases._idle[0].uses == 2
    databases.drop()


def spoil_schema(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE INDEX odd ON events (at)")


def spoil_column(connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE events ALTER at DROP NOT NULL")


def spoil_rights(connection: psycopg.Connection[Any]) -> None:
    connection.execute("GRANT SELECT ON events TO PUBLIC")


def spoil_function(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE FUNCTION odd() RETURNS int LANGUAGE sql AS 'SELECT 1'")


def spoil_setting(connection: psycopg.Connection[Any]) -> None:
    name = connection.info.dbname
    connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())


def stay(connection: psycopg.Connection[Any]) -> None:
    """Close nothing: the test has left something behind."""
    connection.execute("SELECT 1")


def cut(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize(
    "spoil", [spoil_schema, spoil_column, spoil_rights, spoil_function, spoil_setting, stay, cut]
)
def test_one_that_is_none_any_more_is_dropped(
    postgres_server: PostgresServer,
    spoil: Callable[[psycopg.Connection[Any]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reused_databases, "PATIENCE_SECONDS", 0.1)
    databases = ReusedDatabases(postgres_server)
    with databases.migrated_url() as url:
        spoiling = psycopg.connect(url, autocommit=True)
        spoil(spoiling)
    if spoil is not stay:
        spoiling.close()
    with databases.migrated_url() as another:
        assert another != url
        with psycopg.connect(another) as connection:
            connection.execute("INSERT INTO replicas SELECT * FROM replicas")
    spoiling.close()
    databases.drop()


async def test_a_connection_that_is_kept_is_as_a_new_one(postgres_server: PostgresServer) -> None:
    databases = ReusedDatabases(postgres_server)
    with databases.migrated_url() as url:
        open_one = kept_open(url)["async_creator_fn"]
        first = await open_one(url)
        await first.execute("SET lock_timeout = '1s'")
        await first.execute("LISTEN odd")
        await first.execute("SELECT pg_advisory_lock(1)")
        await first.commit()
        await first.close()
        again = await open_one(url)
        assert again is first
        shown = await again.execute(
            "SELECT current_setting('lock_timeout'), (SELECT count(*) FROM pg_listening_channels()),"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        )
        assert await shown.fetchone() == ("0", 0, 0)
        # In the midst of a transaction it is closed for good.
        await again.close()
        assert again.closed
        another = await open_one(url)
        assert another is not first
        await another.close()
    assert url not in kept
    databases.drop()
