"""Write transactions that run in one go: every statement from the first to the commit in one function.

Where many things are written together (`app/queue/group_commit.py`), what counts is how little each statement
costs. An asynchronous driver takes two hops between threads for a statement on SQLite, and a dozen calls of
the event loop on PostgreSQL; here one hop takes the whole transaction to a thread, which speaks to the plain
driver by SQLAlchemy's Core. (`docs/benchmarks.md` has both, measured.)

The same function runs on the event loop as well, over the asynchronous engine, where the clock is one that a
test has set: the simulation sees every statement, and may crash between any two.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from app.db.beginning import begin
from app.db.inserting import inserting
from app.db.notice import Notice, Telling
from app.db.postgresql import NOTIFY

Result = TypeVar("Result")
Work = Callable[["WholeTransaction"], Result]


@dataclass(kw_only=True)
class WholeTransaction(Telling):
    """A write transaction that runs in one go: its connection, its time, and what it tells."""

    connection: Connection

    @property
    def is_sqlite(self) -> bool:
        """Whether it runs on SQLite."""
        return self.connection.dialect.name == "sqlite"

    def run(self, work: "Work[Result]") -> tuple[Result, Notice]:
        """Do the work and all that comes before the commit, as `Database.write` does."""
        result = work(self)
        notice = self.notice
        if self.events:
            self.connection.execute(*inserting(self.events, notice, is_sqlite=self.is_sqlite))
        elif notice and not self.is_sqlite:
            self.connection.execute(NOTIFY, {"payloads": notice.payloads})
        return result, notice


class Threads:
    """Runs write transactions in threads of their own, over connections of their own."""

    def __init__(self, engine: Engine, *, threads: int) -> None:
        """Run at most `threads` at a time over `engine`, whose pool is as large."""
        self.engine = engine
        self._number = threads
        self.pool = self._prepared()

    def _prepared(self) -> ThreadPoolExecutor:
        """Return threads, none of which runs before it is needed."""
        return ThreadPoolExecutor(self._number, thread_name_prefix="write")

    async def run(self, work: "Work[Result]") -> tuple[Result, Notice]:
        """Run a transaction; it is committed when this returns.

        A connection that turns out to be broken before the commit was sent is replaced, once, and the
        transaction run again: nothing of it has happened.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, self._run_or_repeat, work)

    def _run_or_repeat(self, work: "Work[Result]") -> tuple[Result, Notice]:
        committing: list[bool] = []
        try:
            return self._run(work, committing)
        except DBAPIError as error:
            if committing or not error.connection_invalidated:
                raise
        return self._run(work, committing)

    def _run(self, work: "Work[Result]", committing: list[bool]) -> tuple[Result, Notice]:
        with self.engine.connect() as connection:
            transaction = WholeTransaction(now=begin(connection), connection=connection)
            done = transaction.run(work)
            committing.append(True)
            connection.commit()
        return done

    def dispose(self) -> None:
        """Close every connection, once what is being written is; whoever writes then gets new ones."""
        pool, self.pool = self.pool, self._prepared()
        pool.shutdown()
        self.engine.dispose()
