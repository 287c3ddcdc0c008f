"""SQLite for write transactions: statements run where they are asked for, the commit alone in a thread.

The asynchronous driver takes each statement to a thread and its rows back, which costs more than the
statement itself: in a write transaction those find rows by their keys, or the next few of an index. What
waits for the disk is the commit, and that one goes to a thread. Reads, which may look at a whole table, stay
with the asynchronous driver.

Nothing here waits on the event loop for another process: what begins a transaction is tried again until
SQLite's one writer is free, and after that no statement waits for anybody.

The connection has the face of DB-API, and is used within SQLAlchemy's greenlets. Only what really waits is
awaited there, since each await is a way out of the greenlet and back.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.util import await_only

# How soon another process's writer is looked for again.
LOOK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02)

Connect = Callable[[str, float], "Connection"]
"""Makes a connection to the file of a path, which waits for other processes for so many seconds."""


class Cursor:
    """A cursor, as DB-API has it. All rows are fetched at once: they outlive the transaction."""

    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        """Belong to a connection."""
        self._connection = connection
        self._real = connection.real.cursor()
        self._rows: deque[Any] = deque()

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

    def execute(self, statement: str, parameters: Any = ()) -> None:  # noqa: ANN401 - as DB-API has it
        """Run a statement."""
        self._connection.run(statement, lambda: self._real.execute(statement, parameters))
        if self._real.description is not None:
            self._rows = deque(self._real.fetchall())

    def executemany(self, statement: str, parameters: Iterable[Any]) -> None:
        """Run a statement several times."""
        given = list(parameters)
        self._connection.run(statement, lambda: self._real.executemany(statement, given))

    def fetchone(self) -> Any:  # noqa: ANN401 - as DB-API has it
        """Return the next row, None after the last."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        rows, self._rows = self._rows, deque()
        return list(rows)

    def close(self) -> None:
        """Close."""
        self._rows.clear()
        self._real.close()

    async def _async_soft_close(self) -> None:
        """Have the rows be at hand: they are. SQLAlchemy asks for it before it gives out a result."""


class Connection:
    """A connection, as DB-API has it, which commits where it is asked to."""

    def __init__(self, path: str, busy_seconds: float) -> None:
        """Connect."""
        # The driver begins nothing by itself, and nothing waits here for another process.
        self.real = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self.busy_seconds = busy_seconds

    @property
    def _connection(self) -> sqlite3.Connection:
        """SQLite's connection, by the name that SQLAlchemy's asynchronous dialect knows it by."""
        return self.real

    def cursor(self) -> Cursor:
        """Return a cursor."""
        return Cursor(self)

    def run(self, _statement: str, run: Callable[[], object]) -> None:
        """Run a statement, which waits for others only where no transaction has begun."""
        if self.real.in_transaction:
            run()
            # SQLAlchemy takes a driver for a wrong one that has never awaited anything.
            await_only(_nothing())
        else:
            await_only(self._patiently(run))

    async def _patiently(self, run: Callable[[], object]) -> None:
        """Run a statement outside of a transaction, as soon as no other process is in its way.

        Raises:
            sqlite3.OperationalError: others have been for longer than the busy timeout.
        """
        end = time.monotonic() + self.busy_seconds
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

    def commit(self) -> None:
        """Commit."""
        await_only(self._commit())

    async def _commit(self) -> None:
        self.real.commit()

    def rollback(self) -> None:
        """Roll back."""
        self.real.rollback()

    def close(self) -> None:
        """Close."""
        self.real.close()

    terminate = close

    def create_function(self, name: str, arguments: int, function: Any, **options: Any) -> None:  # noqa: ANN401
        """Register a function."""
        self.real.create_function(name, arguments, function, **options)


class ThreadedConnection(Connection):
    """A connection whose commits, which wait for the disk, hold up no event loop."""

    def __init__(self, path: str, busy_seconds: float, *, thread: ThreadPoolExecutor) -> None:
        """Connect. Commits run in `thread`."""
        super().__init__(path, busy_seconds)
        self._thread = thread

    async def _commit(self) -> None:
        """Commit. Whoever is cancelled meanwhile is not before it has ended, however that may be."""
        committing = asyncio.get_running_loop().run_in_executor(self._thread, self.real.commit)
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait([committing])
            raise


async def _nothing() -> None:
    pass


def connect_by(engine: Engine, connect: Connect) -> None:
    """Have an engine of the asynchronous driver make its connections so."""

    def make(_dialect: object, _entry: object, arguments: list[Any], options: dict[str, Any]) -> Connection:
        return connect(arguments[0], options["timeout"])

    event.listen(engine, "do_connect", make)
