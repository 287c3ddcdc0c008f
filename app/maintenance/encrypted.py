"""What is encrypted in the database: which columns hold it, and a walk through all of it, to change it.

Nothing is stored as nothing (`EncryptedBytes`), so what is empty was written under no key.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias

from sqlalchemy import Column, ColumnElement, LargeBinary, Table, TypeCoerce, select, tuple_, type_coerce

from app.db.columns import Base, EncryptedBytes
from app.db.database import Database
from app.db.transactions import Transaction
from app.maintenance.after_restore import BATCH

Values: TypeAlias = Sequence[bytes | None]
# Given a transaction, the primary key of a row that is locked, and what its encrypted columns hold.
Change: TypeAlias = Callable[[Transaction, tuple[object, ...], Values], Awaitable[None]]


def encrypted_columns() -> Iterator[tuple[Table, list[Column[bytes]]]]:
    """Yield every table that holds something encrypted, with the columns that do."""
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, EncryptedBytes)]
        if columns:
            yield table, columns


def as_stored(column: Column[bytes]) -> TypeCoerce[bytes]:
    """Return what a column holds as it is, encrypted."""
    return type_coerce(column, LargeBinary())


def is_row(table: Table, key: tuple[object, ...]) -> list[ColumnElement[bool]]:
    """Return the conditions that a row is the one with a primary key."""
    return [column == part for column, part in zip(table.primary_key.columns, key, strict=True)]


async def change_each(
    db: Database,
    table: Table,
    read: Sequence[Column[bytes] | TypeCoerce[bytes]],
    change: Change,
) -> int:
    """Lock the rows of a table, batch by batch, and change each by what was `read` of it; count them.

    No row is locked against being referred to: who makes deliveries of an event would pass a webhook over.
    """
    keys = list(table.primary_key.columns)
    last: tuple[object, ...] | None = None
    count = 0
    while True:
        async with db.write() as tx:
            following = select(*keys, *read).order_by(*keys).limit(BATCH).with_for_update(key_share=True)
            if last is not None:
                following = following.where(tuple_(*keys) > last)
            rows = [tuple(row) for row in await tx.session.execute(following)]
            for row in rows:
                await change(tx, row[: len(keys)], row[len(keys) :])
        if not rows:
            return count
        count += len(rows)
        last = rows[-1][: len(keys)]
