"""The clock that leases and due times are measured by."""

import time
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession


class Clock(Protocol):
    """Tells the time that leases and due times are measured by."""

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the present time (UTC). PostgreSQL evaluates `also` first, in the same round trip."""

    def monotonic(self) -> float:
        """Return seconds that only ever go on, in this process alone."""


class DatabaseClock:
    """The database's own time, one for all replicas; on SQLite the host's."""

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the present time, not the start of the transaction."""
        if session.get_bind().dialect.name == "sqlite":
            return datetime.now(UTC)
        told = (await session.execute(select(*also, func.clock_timestamp()))).one()
        moment: datetime = told[-1]
        return moment.astimezone(UTC)

    def monotonic(self) -> float:
        """Return the process's own monotonic time."""
        return time.monotonic()
