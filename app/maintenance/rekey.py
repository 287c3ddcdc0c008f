"""Writes everything that is encrypted anew, under the first key."""

from sqlalchemy import Column, Table, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.columns import Base, EncryptedBytes
from app.db.database import Database
from app.maintenance.after_restore import BATCH


async def rekey(db: Database) -> int:
    """Write every encrypted value anew, under the first key. Returns how many rows that were.

    Raises:
        UndecryptableError: a value was stored under a key that SECRET_KEY does not hold.
    """
    count = 0
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, EncryptedBytes)]
        if columns:
            count += await _rekey_table(db, table, columns)
    return count


async def _rekey_table(db: Database, table: Table, columns: list[Column[bytes]]) -> int:
    keys = list(table.primary_key.columns)
    last: tuple[object, ...] | None = None
    count = 0
    while True:
        async with db.write() as tx:
            rows = await _batch(tx.session, keys, columns, last)
            for row in rows:
                values = {column.name: row[len(keys) + place] for place, column in enumerate(columns)}
                same = [key == row[place] for place, key in enumerate(keys)]
                await tx.session.execute(update(table).where(*same).values(values))
        if not rows:
            return count
        count += len(rows)
        last = tuple(rows[-1][: len(keys)])


async def _batch(
    session: AsyncSession,
    keys: list[Column[object]],
    columns: list[Column[bytes]],
    last: tuple[object, ...] | None,
) -> list[tuple[object, ...]]:
    following = select(*keys, *columns).order_by(*keys).limit(BATCH).with_for_update()
    if last is not None:
        following = following.where(tuple_(*keys) > last)
    return [tuple(row) for row in await session.execute(following)]
