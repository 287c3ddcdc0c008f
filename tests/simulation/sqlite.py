"""Real SQLite behind the asynchronous driver's face, in this thread, one step at a time.

The driver that the service uses works in a thread of its own, whose timing no seed can rule. This one runs
the same statements on the same files; a crashed process can run none.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Self

from app.db.columns import Base

BUSY_SECONDS = 10.0
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


class Cursor:
    """A cursor."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._cursor = connection.real.cursor()

    @property
    def description(self) -> Any:
        """What the rows hold."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The id of the last row."""
        return self._cursor.lastrowid

    @property
    def arraysize(self) -> int:
        """How many rows are fetched at once."""
        return self._cursor.arraysize

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        """Run a statement, waiting as long as SQLite's busy timeout for another writer."""
        await self._connection.step()
        await self._patiently(lambda: self._cursor.execute(statement, parameters))
        self._connection.written |= written_by(statement)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> Self:
        """Run a statement several times."""
        await self._connection.step()
        given = list(parameters)
        await self._patiently(lambda: self._cursor.executemany(statement, given))
        self._connection.written |= written_by(statement)
        return self

    async def _patiently(self, run: Callable[[], object]) -> None:
        waited = 0.0
        while True:
            try:
                run()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or waited >= BUSY_SECONDS:
                    raise
            else:
                return
            await asyncio.sleep(BUSY_LOOK_SECONDS)
            waited += BUSY_LOOK_SECONDS
            await self._connection.step()

    async def fetchall(self) -> list[Any]:
        """Return the rows."""
        return self._cursor.fetchall()

    async def close(self) -> None:
        """Close."""
        self._cursor.close()


class Connection:
    """A connection of one process."""

    def __init__(
        self,
        path: str,
        is_crashed: Callable[[], bool],
        thawed: Callable[[], Awaitable[None]],
        committed: Callable[[frozenset[str]], None],
    ) -> None:
        self.real = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection: sqlite3.Connection | None = self.real
        self._is_crashed = is_crashed
        self._thawed = thawed
        self._committed = committed
        self.written: frozenset[str] = frozenset()
        """The tables that the transaction has written so far."""

    def __await__(self) -> Generator[None, None, Self]:
        yield from ()
        return self

    async def step(self) -> None:
        """Let others run, and perhaps crash or halt this process, before the database hears of anything."""
        await asyncio.sleep(0)
        await self._thawed()
        if self._is_crashed():
            raise CrashedError("crashed")

    def cursor(self) -> Cursor:
        """Return a cursor."""
        return Cursor(self)

    async def commit(self) -> None:
        """Commit; a crash may come before and after."""
        await self.step()
        self.real.commit()
        written, self.written = self.written, frozenset()
        if written:
            self._committed(written)
        await asyncio.sleep(0)

    async def rollback(self) -> None:
        """Roll back, as the database does by itself for a process that is gone."""
        self.real.rollback()
        self.written = frozenset()

    async def close(self) -> None:
        """Close."""
        self.stop()

    def stop(self) -> None:
        """Close."""
        self.real.close()
        self._connection = None

    def die(self) -> None:
        """End what the process had begun, as its death does, and not only once nothing refers to it."""
        with suppress(sqlite3.ProgrammingError):
            self.real.rollback()

    async def create_function(self, name: str, arguments: int, function: Any, **options: Any) -> None:
        """Register a function."""
        self.real.create_function(name, arguments, function, **options)


def in_this_thread(url: str) -> dict[str, Any]:
    """Return the arguments with which a database of SQLite works in this thread, and never crashes.

    The driver's own thread costs several times what SQLite does.
    """
    if not url.startswith("sqlite"):
        return {}

    async def at_once() -> None:
        pass

    return {"async_creator_fn": creator(url.removeprefix("sqlite:///"), lambda: False, [], at_once)}


def creator(
    path: str,
    is_crashed: Callable[[], bool],
    made: list[Connection],
    thawed: Callable[[], Awaitable[None]],
    committed: Callable[[frozenset[str]], None] = lambda _tables: None,
) -> Callable[..., Awaitable[Connection]]:
    """Return what the engine makes connections with; they are added to `made`.

    `committed` is told of each commit, with the tables that were written.
    """

    def connect(*_arguments: Any, **_options: Any) -> Connection:
        connection = Connection(path, is_crashed, thawed, committed)
        made.append(connection)
        return connection

    return connect
