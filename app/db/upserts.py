"""Inserts that say what happens where the row is there already: each dialect has its own."""

from sqlalchemy.dialects import postgresql, sqlite

from app.db.columns import Base


def insert_into(table: type[Base], *, is_sqlite: bool) -> sqlite.Insert | postgresql.Insert:
    """Return an `INSERT` that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)
