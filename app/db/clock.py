"""The clock that leases and due times are measured by."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession


class Clock(Protocol):
    """Tells the time that leases and due times are measured by."""

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the present time (UTC). PostgreSQL evaluates `also` first, in the same round trip."""

    def uptime(self) -> float:
        """Return seconds that only go on, also while the machine sleeps: no step of a clock bends them."""

    @property
    def boot(self) -> str:
        """Which start of which machine they are counted from: only those of the same one can be compared."""


@cache
def asking_for_time(*also: ColumnElement[Any]) -> Select[Any]:
    """Return the statement that has PostgreSQL evaluate `also` and then tell the present time, built once."""
    return select(*also, func.clock_timestamp())


class DatabaseClock:
    """The database's own time, one for all replicas; on SQLite the host's."""

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the present time, not the start of the transaction."""
        if session.get_bind().dialect.name == "sqlite":
            return datetime.now(UTC)
        moment: datetime = (await session.execute(asking_for_time(*also))).one()[-1]
        return moment.astimezone(UTC)

    def uptime(self) -> float:
        """Return the machine's time since it started; where that is not to be had, the process's own."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if _COUNTS_SLEEP else time.monotonic()

    @property
    def boot(self) -> str:
        """Return the machine's name for its start, or one for this process alone."""
        return _BOOT


# Linux counts a machine's sleep in CLOCK_BOOTTIME, and names each start of the kernel; the containers of one
# machine share both. Elsewhere uptimes are this process's own, and compared with nobody's.
_COUNTS_SLEEP = hasattr(time, "CLOCK_BOOTTIME")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/ns/time")


def _boot() -> str:
    if not _COUNTS_SLEEP:
        return str(uuid4())
    try:
        started = _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return str(uuid4())
    # A container may be given a time of its own, which is then no other's.
    with suppress(OSError):
        return f"{started} {_TIME_NAMESPACE.readlink()}"
    return started


_BOOT = _boot()
