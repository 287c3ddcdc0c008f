"""Writes everything that is encrypted anew, under the first key."""

from functools import partial

from sqlalchemy import Column, Table, update

from app.db.database import Database
from app.db.transactions import Transaction
from app.maintenance.encrypted import Values, change_each, encrypted_columns, is_row


async def rekey(db: Database) -> int:
    """Write every encrypted value anew, under the first key. Returns how many rows that were.

    Raises:
        UndecryptableError: a value was stored under a key that SECRET_KEY does not hold.
    """
    count = 0
    for table, columns in encrypted_columns():
        count += await change_each(db, table, columns, partial(_write_anew, table, columns))
    return count


async def _write_anew(
    table: Table, columns: list[Column[bytes]], tx: Transaction, key: tuple[object, ...], values: Values
) -> None:
    written = {column.name: value for column, value in zip(columns, values, strict=True)}
    await tx.session.execute(update(table).where(*is_row(table, key)).values(written))
