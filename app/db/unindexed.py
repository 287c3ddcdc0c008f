"""Keeps a database from reading an index from which it would have to read too much."""

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute


def unindexed(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return a column's value in a form that no index is used for."""
    return func.coalesce(column, column)
