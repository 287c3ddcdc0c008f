"""The clock that leases and due times are measured by."""

import time
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


class Clock(Protocol):
    """Tells the time that leases and due times are measured by."""

    async def now(self, session: AsyncSession) -> datetime:
        """Return the present time (UTC)."""

    def monotonic(self) -> float:
        """Return seconds that only ever go on, in this process alone."""


class DatabaseClock:
    """The database's own time, one for all replicas; on SQLite the host's."""

    async def now(self, session: AsyncSession) -> datetime:
        """Return the present time, not the start of the transaction."""
        if session.get_bind().dialect.name == "sqlite":
            return datetime.now(UTC)
        moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return moment.astimezone(UTC)

    def monotonic(self) -> float:
        """Return the process's own monotonic time."""
        return time.monotonic()
