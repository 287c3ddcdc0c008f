"""The migrations: one chain for both databases, safe at once, and the tables that the models mean."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app.db.columns import Base
from app.db.database import Database
from app.db.url import async_database_url
from app.maintenance.schema import FOLDER, MigrationError, is_current, revisions, upgrade
from app.orders.callbacks import record_callback
from app.orders.intake import NewOrder, create_order
from app.secrets import Encryption
from tests.e2e.conftest import environment, program
from tests.settings import SECRET_KEY

MIGRATION_SECONDS = 120


def database(url: str) -> Database:
    return Database(async_database_url(url), Encryption([SECRET_KEY]))


async def test_the_migrations_make_the_tables_that_the_models_mean(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    db = database(database_url)
    async with db.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await db.dispose()


async def test_every_constraint_of_the_models_is_in_the_database(database_url: str) -> None:
    def names(connection: Connection) -> set[str | None]:
        inspector = inspect(connection)
        return {
            constraint["name"]
            for table in inspector.get_table_names()
            for constraint in inspector.get_check_constraints(table)
        }

    db = database(database_url)
    async with db.engine.connect() as connection:
        found = await connection.run_sync(names)
    assert found >= {"ck_orders_status_known", "ck_orders_finalized_when_final"}
    await db.dispose()


async def test_migrating_twice_is_migrating_once(empty_database_url: str) -> None:
    db = database(empty_database_url)
    assert not await is_current(db)
    for _ in range(2):
        assert await asyncio.to_thread(upgrade, async_database_url(empty_database_url))
        assert await is_current(db)
    await db.dispose()


async def test_a_newer_release_s_database_is_current_and_left_alone(database_url: str) -> None:
    db = database(database_url)
    async with db.write() as tx:
        await tx.session.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    assert await is_current(db)
    assert not await asyncio.to_thread(upgrade, async_database_url(database_url))
    async with db.read() as session:
        found = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    assert found == "from-the-future"
    await db.dispose()


async def test_revisions_in_disorder_are_told_in_one_line(database_url: str) -> None:
    db = database(database_url)
    async with db.write() as tx:
        await tx.session.execute(
            text("INSERT INTO alembic_version VALUES (:first)"), {"first": revisions()[0]}
        )
    with pytest.raises(MigrationError, match=r"^[^\n]*overlaps[^\n]*$"):
        await asyncio.to_thread(upgrade, async_database_url(database_url))
    await db.dispose()


async def test_replicas_may_migrate_at_once(empty_database_url: str, tmp_path: Path) -> None:
    env = environment(empty_database_url)
    with ExitStack() as stack:
        replicas = [stack.enter_context(program("migrate", env=env, cwd=tmp_path)) for _ in range(4)]
        ended = [await asyncio.to_thread(replica.wait, MIGRATION_SECONDS) for replica in replicas]
    assert ended == [0] * 4, (tmp_path / "migrate.log").read_text()
    db = database(empty_database_url)
    assert await is_current(db)
    await db.dispose()


def test_the_files_names_tell_the_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions() == list(reversed(chain))


async def test_sqlite_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.touch()
    db = database(f"sqlite:///{path}")
    async with db.read() as session:
        found = {
            pragma: (await session.execute(text(f"PRAGMA {pragma}"))).scalar_one()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    await db.dispose()


async def test_what_is_secret_is_unreadable_in_the_database(database_url: str) -> None:
    db = database(database_url)
    order = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    await record_callback(db, order.id, b"a secret in a callback")
    async with db.read() as session:
        [stored] = (await session.execute(text("SELECT body FROM callbacks"))).scalars()
    assert b"secret" not in bytes(stored)
    await db.dispose()
