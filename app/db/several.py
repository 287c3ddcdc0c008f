"""Lists of values as one parameter: a statement has one text, however many rows it is about."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Self

from sqlalchemy import ARRAY, ColumnElement, Dialect, Text, bindparam, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine


class Several(TypeDecorator[Sequence[Any]]):
    """A list of values of one type: an array on PostgreSQL, a JSON array on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        """Hold values of the type `item`."""
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database calls it."""
        impl = Text() if dialect.name == "sqlite" else ARRAY(self.item)
        return dialect.type_descriptor(impl)

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> object:
        """Return the list as the driver takes it."""
        if value is None or dialect.name != "sqlite":
            return value
        processor = self.item.dialect_impl(dialect).bind_processor(dialect)
        return json.dumps([processor(each) for each in value] if processor else list(value))


class _Among(FunctionElement[bool]):
    """Whether a value is one of a list."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """Return it as it is: on SQLite `… = 1` would be put behind it, for which no index is used."""
        return self


@compiles(_Among)
def _any(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    column, several = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({several})"


@compiles(_Among, "sqlite")
def _each(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's hook
    column, several = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({several}))"  # noqa: S608 - both are SQL


def among(column: InstrumentedAttribute[Any] | ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column is one of the list that is given to the statement as `name`."""
    return _Among(column, bindparam(name, type_=Several(column.type)))


def one_of(column: InstrumentedAttribute[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """Return the condition that a column is one of a few values, which are the same whenever it is asked.

    Each is a parameter of its own: a plain list SQLAlchemy writes into the text anew each time, which costs
    as much as all else that it does for a statement.
    """
    return column.in_([literal(value, column.type) for value in values])
