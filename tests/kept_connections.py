"""Connections to PostgreSQL that outlive a test: their server processes know the tables and have the plans.

Who closes one gives it back, as if it were new to whoever opens it next. Nothing of it belongs to the event
loop of the test that has ended. One that is in the midst of anything is closed.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Set
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.generators import execute
from psycopg.pq import ExecStatus, TransactionStatus

PREPARED = 1000
"""How many statements one keeps prepared: those of all tests."""
AS_NEW = b"""
    RESET ALL; RESET SESSION AUTHORIZATION; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all();
    DISCARD SEQUENCES; DISCARD TEMPORARY
"""
DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
Kind = tuple[Any, ...]


class KeptConnection(psycopg.AsyncConnection[Any]):
    """A connection that is kept when it is closed."""

    give_back: "Callable[[KeptConnection], None] | None" = None

    async def close(self) -> None:
        """Give it back, or close it if it cannot be used again."""
        if self.give_back is None or not await self._is_as_new():
            await super().close()
            return
        self.give_back(self)

    async def _is_as_new(self) -> bool:
        if self.closed or self._pipeline or self._tpc or self._notify_handlers:
            return False
        if self.pgconn.transaction_status != TransactionStatus.IDLE or self.lock.locked():
            return False
        try:
            answers = await self.wait(self._run(AS_NEW))
        except psycopg.Error:
            return False
        return all(each.status in DONE for each in answers)

    def _run(self, statements: bytes) -> Any:
        self.pgconn.send_query(statements)
        return (yield from execute(self.pgconn))

    def _rollback_gen(self) -> Any:
        """Roll back, and remember what is prepared: the server does, and no test alters a table here.

        SQLAlchemy ends so what it asks of each connection that is new to it.
        """
        prepared, self._prepared = self._prepared, type(self._prepared)()
        try:
            yield from super()._rollback_gen()
        finally:
            self._prepared = prepared


class KeptReader(psycopg.Connection[Any]):
    """A connection for single statements that is kept when it is closed."""

    give_back: "Callable[[KeptReader], None] | None" = None

    def close(self) -> None:
        """Give it back, or close it if it cannot be used again."""
        is_idle = not self.closed and self.pgconn.transaction_status == TransactionStatus.IDLE
        if self.give_back is None or not is_idle:
            super().close()
            return
        self.give_back(self)


class KeptConnections:
    """The connections to one database that nobody uses now."""

    def __init__(self) -> None:
        self._readers: list[KeptReader] = []
        self._idle: defaultdict[Kind, list[KeptConnection]] = defaultdict(list)

    async def connect(self, conninfo: str = "", *, context: Any = None, **options: Any) -> KeptConnection:
        """Return a connection that is as a new one."""
        kind = (conninfo, *sorted(options.items()))
        idle = self._idle[kind]
        while idle:
            found = idle.pop()
            if found.pgconn.transaction_status == TransactionStatus.IDLE:
                return _as_connected(found, context, **options)
        made = await KeptConnection.connect(conninfo, context=context, **options)
        made.prepared_max = PREPARED
        made.give_back = self._idle[kind].append
        return made

    def reader(self, url: str) -> KeptReader:
        """Return a connection for single statements."""
        if self._readers:
            return self._readers.pop()
        made = KeptReader.connect(url, autocommit=True)
        made.give_back = self._readers.append
        return made

    def keep_only(self, connected: Set[int]) -> Set[int]:
        """Forget those that have no process of the server any more; return the processes of the others."""
        pids = set()
        all_idle: list[list[Any]] = [self._readers, *self._idle.values()]
        for idle in all_idle:
            for each in list(idle):
                if each.info.backend_pid in connected:
                    pids.add(each.info.backend_pid)
                else:
                    idle.remove(each)
                    _end(each)
        return pids

    def end(self) -> None:
        """Close them."""
        self.keep_only(set())


def _as_connected(
    connection: KeptConnection, context: Any, *, prepare_threshold: int | None = 5, **_options: Any
) -> KeptConnection:
    """Return a connection as one that was made in the running event loop, for the same options."""
    connection.lock = asyncio.Lock()
    connection._adapters = AdaptersMap(context.adapters) if context else None
    connection._isolation_level = connection._read_only = connection._deferrable = None
    connection._autocommit = False
    connection._begin_statement = b""
    connection._notifies_backlog = deque()
    connection.prepare_threshold = prepare_threshold
    return connection


def _end(connection: KeptConnection | KeptReader) -> None:
    """Close for good, without an event loop."""
    connection._closed = True
    connection.pgconn.finish()


kept: dict[str, KeptConnections] = {}
"""Those of each database that is in use, by its address."""


def kept_open(url: str) -> dict[str, Callable[..., Awaitable[KeptConnection]]]:
    """Return the arguments with which connections to a database that is reused are kept."""
    return {"async_creator_fn": kept[url].connect} if url in kept else {}


def connect_reader(url: str) -> psycopg.Connection[Any]:
    """Return a connection for single statements, which is kept where the database is reused."""
    return kept[url].reader(url) if url in kept else psycopg.connect(url, autocommit=True)
