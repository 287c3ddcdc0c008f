"""Every migration, one after the other, on tables that have rows, there and back; and which are allowed."""

import ast
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, Table, event, func, inspect, select, table, types
from sqlalchemy.orm import Session

from app.db.columns import Base
from app.db.url import async_database_url
from app.maintenance.schema import FOLDER, revisions
from tests.databases import plain_engine

# The migrations that the first release brings: until it is out, whoever adds one raises this.
LAST_OF_THE_FIRST_RELEASE = "0018"
ALLOWED = {"add_column", "create_table", "create_index", "bulk_insert", "execute", "f", "get_bind"}
NAMESPACE = UUID(int=0)
# What a constraint lets a column have.
WORDS = {
    ("orders", "status"): "pending",
    ("deliveries", "status"): "pending",
    ("orders", "finalized_at"): None,
}
NUMBERS = count(1000)
# What begins anew, and loses nothing by it.
EMPTIED = {("0012", "look_ups")}


def migrate(url: str, revision: str) -> None:
    """Go to a revision, up or down."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["url"] = async_database_url(url)
    (command.downgrade if revision.startswith("-") else command.upgrade)(config, revision)


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    """An engine that goes by the tables as they are, not by the models."""
    with plain_engine(empty_database_url) as engine:
        if engine.dialect.name == "sqlite":
            event.listen(
                engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON")
            )
        yield engine


@pytest.fixture
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Alembic read the chain once: for each step it would load every migration anew."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    chain = ScriptDirectory.from_config(config)
    monkeypatch.setattr(ScriptDirectory, "from_config", lambda _config: chain)


def tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [each for each in metadata.sorted_tables if each.name != "alembic_version"]


def fill(connection: Connection, revision: str) -> list[str]:
    """Add a row to each table, with something in every column; return the tables' names."""
    rows: dict[str, dict[str, Any]] = {}
    for each in tables(connection):
        rows[each.name] = {column.name: value(each, column.name, revision, rows) for column in each.columns}
        connection.execute(each.insert().values(rows[each.name]))
    return list(rows)


def value(owner: Table, name: str, revision: str, rows: dict[str, dict[str, Any]]) -> Any:
    """Return what a column is filled with."""
    column = owner.c[name]
    if (owner.name, name) in WORDS:
        return WORDS[owner.name, name]
    for key in column.foreign_keys:
        return rows[key.column.table.name][key.column.name]
    kind = column.type
    number = next(NUMBERS)
    if isinstance(kind, types.Uuid):
        return uuid5(NAMESPACE, f"{revision} {number}")
    if isinstance(kind, types.DateTime):
        return datetime(2026, 11, 1, tzinfo=UTC)
    if isinstance(kind, types.Boolean):
        return True
    if isinstance(kind, types.JSON):
        return {}
    if isinstance(kind, types.LargeBinary):
        return b"bytes"
    if isinstance(kind, types.Numeric | types.Float | types.Integer):
        return number
    # SQLite keeps ids as text of 32 digits.
    length = getattr(kind, "length", None)
    return uuid5(NAMESPACE, str(number)).hex if length == 32 else f"{revision}-{number}"[: length or 99]


def counted(connection: Connection) -> Counter[str]:
    names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    return Counter(
        {
            name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
            for name in names
        }
    )


@pytest.mark.usefixtures("_read_once")
def test_every_migration_keeps_what_is_stored_there_and_back(empty_database_url: str, engine: Engine) -> None:
    expected: Counter[str] = Counter()
    for revision in revisions():
        migrate(empty_database_url, revision)
        expected -= Counter({name: expected[name] for at, name in EMPTIED if at == revision})
        with engine.begin() as connection:
            found = counted(connection)
            made_by_the_migration = found - expected
            expected.update(made_by_the_migration)
            assert found == expected, f"{revision} loses rows"
            expected.update(fill(connection, revision))
    with Session(engine) as session:
        for mapper in Base.registry.mappers:
            read = len(session.scalars(select(mapper.class_)).all())
            assert read == expected[mapper.local_table.name], "the models read rows of every age"  # type: ignore[attr-defined]
    for revision in reversed(revisions()[1:]):
        expected -= Counter({name: expected[name] for at, name in EMPTIED if at == f"-{revision}"})
        migrate(empty_database_url, "-1")
        with engine.connect() as connection:
            left = counted(connection)
            assert left == Counter({name: expected[name] for name in left})


def statements(path: Path) -> Iterator[ast.Call]:
    """Return what a migration does on the way up."""
    [upgrade] = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    ]
    for node in ast.walk(upgrade):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "op"
        ):
            yield node


def is_fillable(call: ast.Call) -> bool:
    """Tell whether a release that knows nothing of a new column can write rows without it."""
    column = call.args[1]
    given = {keyword.arg: keyword.value for keyword in getattr(column, "keywords", ())}
    is_nullable = isinstance(given.get("nullable"), ast.Constant) and given["nullable"].value is True
    return is_nullable or "server_default" in given


def test_later_migrations_take_nothing_from_the_release_before() -> None:
    later = [path for path in sorted((FOLDER / "versions").glob("[0-9]*.py")) if path.name > LAST_NAME]
    for path in later:
        for call in statements(path):
            name = call.func.attr  # type: ignore[attr-defined]
            assert name in ALLOWED, f"{path.name}: op.{name}: see CONTRIBUTING, A migration"
            assert name != "add_column" or is_fillable(call), (
                f"{path.name}: a column that older releases miss"
            )


LAST_NAME = f"{LAST_OF_THE_FIRST_RELEASE}~"
