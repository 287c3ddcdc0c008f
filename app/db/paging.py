"""Pages of rows that only Python can tell apart from those that are not to be shown."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.columns import Base

Row = TypeVar("Row", bound=Base)
BATCH = 200


async def newest(
    session: AsyncSession,
    rows: Select[Row],
    number: InstrumentedAttribute[UUID],
    *,
    shown: Callable[[Row], bool],
    before: UUID | None,
    limit: int,
) -> tuple[Row, ...]:
    """Return up to `limit` of the rows that are `shown`, the newest first by their `number`.

    `before` is the number of the last of the page before.
    """
    found: list[Row] = []
    while True:
        following = rows.order_by(number.desc()).limit(BATCH)
        if before is not None:
            following = following.where(number < before)
        batch = (await session.scalars(following)).all()
        found += [row for row in batch if shown(row)]
        if len(found) >= limit or len(batch) < BATCH:
            return tuple(found[:limit])
        before = getattr(batch[-1], number.key)
