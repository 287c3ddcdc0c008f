"""Keeps a database from reading an index from which it would have to read too much."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.db.columns import Base


def unindexed(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return a column's value in a form that no index is used for."""
    return func.coalesce(column, column)


def none_of(outer: type[Base], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that no row meets the conditions, which name the one of `outer` that it is about.

    A count is asked for row by row, by an index. What only asks whether there is one, PostgreSQL may turn
    into a look at the whole table, once for every batch of those rows.
    """
    counted = select(func.count()).where(*conditions).correlate(outer).scalar_subquery()
    return counted == 0


class _UnindexedOnSqlite(FunctionElement[Any]):
    """A column's value, with SQLite's sign that it is not to be looked up."""

    inherit_cache = True


@compiles(_UnindexedOnSqlite)
def _plain(element: _UnindexedOnSqlite, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    [column] = element.clauses
    return compiler.process(column, **options)


@compiles(_UnindexedOnSqlite, "sqlite")
def _signed(element: _UnindexedOnSqlite, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    return f"+{_plain(element, compiler, **options)}"


def unindexed_on_sqlite(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return a column's value in a form that SQLite uses no index for.

    PostgreSQL reads the column, of which it knows how many rows have which value, and decides well by itself.
    """
    return _UnindexedOnSqlite(column)
