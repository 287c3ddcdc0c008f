"""SQLite for write transactions: statements run where they are asked for, the commit alone in a thread.

The asynchronous driver takes each statement to a thread and its rows back, which costs more than the
statement itself: in a write transaction those find rows by their keys, or the next few of an index. What
waits for the disk is the commit, and that one goes to a thread. Reads, which may look at a whole table, stay
with the asynchronous driver.

Nothing here waits on the event loop for another process: what begins a transaction is tried again until
SQLite's one writer is free, and after that no statement waits for anybody.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

# How soon another process's writer is looked for again.
LOOK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02)


class Cursor:
    """A cursor, with the face of the asynchronous driver's."""

    def __init__(self, connection: "Connection", real: sqlite3.Cursor) -> None:
        """Belong to a connection."""
        self._connection = connection
        self._real = real

    @property
    def description(self) -> Any:  # noqa: ANN401 - as DB-API has it
        """What the rows hold."""
        return self._real.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._real.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The id of the last row."""
        return self._real.lastrowid

    @property
    def arraysize(self) -> int:
        """How many rows are fetched at once."""
        return self._real.arraysize

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> Self:  # noqa: ANN401 - as DB-API has it
        """Run a statement."""
        if self._connection.real.in_transaction:
            self._real.execute(statement, parameters)
        else:
            await self._connection.patiently(lambda: self._real.execute(statement, parameters))
        return self

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> Self:
        """Run a statement several times."""
        self._real.executemany(statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows."""
        return self._real.fetchall()

    async def close(self) -> None:
        """Close."""
        self._real.close()


class Connection:
    """A connection, with the face of the asynchronous driver's."""

    def __init__(self, path: str, *, busy_seconds: float, thread: ThreadPoolExecutor) -> None:
        """Connect. Commits run in `thread`."""
        # The driver begins nothing by itself, and nothing waits here for another process.
        real = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection: sqlite3.Connection | None = real
        self._busy_seconds = busy_seconds
        self._thread = thread

    def __await__(self) -> Generator[None, None, Self]:
        yield from ()
        return self

    @property
    def real(self) -> sqlite3.Connection:
        """SQLite's connection."""
        if self._connection is None:
            raise sqlite3.OperationalError("the connection is closed")
        return self._connection

    def cursor(self) -> Cursor:
        """Return a cursor."""
        return Cursor(self, self.real.cursor())

    async def patiently(self, run: Callable[[], object]) -> None:
        """Run a statement outside of a transaction, as soon as no other process is in its way.

        Raises:
            sqlite3.OperationalError: others have been for longer than the busy timeout.
        """
        end = time.monotonic() + self._busy_seconds
        looks = iter(LOOK_SECONDS)
        while True:
            try:
                run()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
            else:
                return
            await asyncio.sleep(next(looks, LOOK_SECONDS[-1]))

    async def commit(self) -> None:
        """Commit. Whoever is cancelled meanwhile is not before it has ended, however that may be."""
        committing = asyncio.get_running_loop().run_in_executor(self._thread, self.real.commit)
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait([committing])
            raise

    async def rollback(self) -> None:
        """Roll back."""
        self.real.rollback()

    async def close(self) -> None:
        """Close."""
        self.stop()

    def stop(self) -> None:
        """Close."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def create_function(self, name: str, arguments: int, function: Any, **options: Any) -> None:  # noqa: ANN401
        """Register a function."""
        self.real.create_function(name, arguments, function, **options)


def creator(thread: ThreadPoolExecutor) -> Callable[..., Connection]:
    """Return what an engine makes such connections with."""

    def connect(path: str, *, timeout: float, **_options: object) -> Connection:
        return Connection(path, busy_seconds=timeout, thread=thread)

    return connect
