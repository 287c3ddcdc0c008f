"""Real SQLite in this thread, one step at a time.

The drivers that the service uses work in threads of their own, whose timing no seed can rule. This one runs
the same statements on the same files; a crashed process can run none.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache

from sqlalchemy.util import await_only

from app.db import sqlite
from app.db.columns import Base

BUSY_LOOK_SECONDS = 0.01


class CrashedError(OSError):
    """The process that asks has crashed."""


@cache
def written_by(statement: str) -> frozenset[str]:
    """Return the tables that a statement may write; of deleted rows, all others that may refer to them."""
    match statement.split(maxsplit=3)[:3]:
        case ["SELECT" | "BEGIN" | "PRAGMA" | "SAVEPOINT" | "RELEASE" | "ROLLBACK", *_]:
            return frozenset()
        case ["INSERT", "INTO", table] | ["UPDATE", table, _]:
            return frozenset({table})
        case _:
            return frozenset(Base.metadata.tables)


class Connection(sqlite.Connection):
    """A connection of one process."""

    def __init__(
        self,
        path: str,
        busy_seconds: float,
        *,
        is_crashed: Callable[[], bool],
        thawed: Callable[[], Awaitable[None]],
        committed: Callable[[frozenset[str]], None],
    ) -> None:
        super().__init__(path, busy_seconds)
        self._is_crashed = is_crashed
        self._thawed = thawed
        self._committed = committed
        self.written: frozenset[str] = frozenset()
        """The tables that the transaction has written so far."""

    def run(self, statement: str, run: Callable[[], object]) -> None:
        """Run a statement; others run before it, and the process may crash or halt there."""
        await_only(self._run(run))
        self.written |= written_by(statement)

    async def _run(self, run: Callable[[], object]) -> None:
        waited = 0.0
        while True:
            await self._step()
            try:
                run()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or waited >= self.busy_seconds:
                    raise
            else:
                return
            await asyncio.sleep(BUSY_LOOK_SECONDS)
            waited += BUSY_LOOK_SECONDS

    async def _step(self) -> None:
        """Let others run, and perhaps crash or halt this process, before the database hears of anything."""
        await asyncio.sleep(0)
        await self._thawed()
        if self._is_crashed():
            raise CrashedError("crashed")

    async def _commit(self) -> None:
        """Commit; a crash may come before and after."""
        await self._step()
        await super()._commit()
        written, self.written = self.written, frozenset()
        if written:
            self._committed(written)
        await asyncio.sleep(0)

    def rollback(self) -> None:
        """Roll back, as the database does by itself for a process that is gone."""
        super().rollback()
        self.written = frozenset()

    def die(self) -> None:
        """End what the process had begun, as its death does, and not only once nothing refers to it."""
        with suppress(sqlite3.ProgrammingError):
            self.real.rollback()


class QuickConnection(sqlite.Connection):
    """A connection of a process that never crashes: others run before each transaction and after it.

    The driver's own thread costs several times what SQLite does.
    """

    def run(self, statement: str, run: Callable[[], object]) -> None:
        """Run a statement."""
        if not self.real.in_transaction:
            await_only(asyncio.sleep(0))
        super().run(statement, run)

    async def _commit(self) -> None:
        await super()._commit()
        await asyncio.sleep(0)
