"""Group commit: what many do at the same time is written in one transaction.

While one transaction commits, whatever else arrives gathers, and goes into the next one: all that is there
once that has begun. There is no timer: a lone item is a batch of one and waits for nobody, and the slower the
disk, or the more there are who write, the larger the batches.

    first item ──▶ [ transaction 1 ]
    items 2, 3, 4     ── gather ──▶ [ transaction 2 ]
    items 5 … 40                      ── gather ────▶ [ transaction 3 ]

What a batch promises each of its items:

- It is told that it is done only after the commit of the transaction that holds it.
- What an item before it in the batch has written is there for it, as if they came one after the other.
- If it fails (a constraint, a value that cannot be stored), it fails alone: the transaction is rolled back
  with all that was gathered for it in Python, and each of the batch is run again in a transaction of its own.
- If another transaction holds what it needs, it is put off (`LATER`) and holds up none of its neighbours: it
  is written with those that need the same, apart from the rest.
- If the database went away, or whether the commit has happened is not known, that is every item's error, for
  none can be told that it is done. Whoever sends an item has to be able to send it again.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, MutableSequence, Sequence
from enum import Enum
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar

from sqlalchemy.exc import OperationalError

from app.db.database import Database
from app.db.errors import DATABASE_AWAY, repeatedly
from app.db.whole import WholeTransaction

Item = TypeVar("Item")
Result = TypeVar("Result")


class Later(Enum):
    """What `write` returns for an item that it did not write, because another transaction is in its way."""

    LATER = "later"


LATER: Final = Later.LATER
Write = Callable[[WholeTransaction, Sequence[Item]], Sequence[Result | Later]]
Gather = Callable[[], Sequence[Item]]
"""Returns the items of a batch: called once the transaction has begun, it returns what has come by then."""
Run = Callable[[Gather[Item]], Awaitable[Sequence[Result | Later]]]
"""Writes a batch in one transaction, which is committed when it returns."""


class Entry(NamedTuple, Generic[Item, Result]):
    """An item, and who waits for it."""

    item: Item
    done: "asyncio.Future[Result]"


MOST_AT_ONCE = 256
MOST_WAITING = 4096


class TooManyWaitingError(Exception):
    """More waits to be written than can be soon: come again."""


def whole(db: Database, write: Write[Item, Result]) -> Run[Item, Result]:
    """Return what writes a batch by `write`, in one go. (`app/db/whole.py`)

    It is gathered there, in another thread than those come in: while the transaction begins, most of them do.
    """

    async def run(gather: Gather[Item]) -> Sequence[Result | Later]:
        return await db.write_whole(lambda tx: write(tx, gather()))

    return run


class GroupCommit(Generic[Item, Result]):
    """Writes items of one kind, each in a batch with whatever else arrives meanwhile."""

    def __init__(
        self,
        run: Run[Item, Result],
        *,
        key: Callable[[Item], Hashable],
        most_at_once: int = MOST_AT_ONCE,
        most_waiting: int = MOST_WAITING,
        measure: Callable[[int, float], None] | None = None,
    ) -> None:
        """Write batches by `run`, which returns a result for each item, in their order, or `LATER`.

        `key` tells what an item needs. Where all items of a batch have the same one, `run` has to wait for
        it. A batch holds up to `most_at_once` items; up to `most_waiting` wait for theirs. `measure` is told
        of each batch that was committed how many items it held, and how many seconds that took.
        """
        self._run = run
        self._measure = measure
        self._key = key
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._waiting: list[Entry[Item, Result]] = []
        self._put_off: dict[Hashable, list[Entry[Item, Result]]] = {}
        self._committing: asyncio.Task[None] | None = None
        self._committing_put_off: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Write an item; return its result once it is committed.

        Raises:
            TooManyWaitingError: the item was not taken in.
            DATABASE_AWAY: nothing is known to be written; it may be, if the commit was cut off.
            Exception: whatever `write` raises for this item; nothing of it is written.
        """
        if len(self._waiting) + sum(map(len, self._put_off.values())) >= self._most_waiting:
            raise TooManyWaitingError
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(Entry(item, done))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all(), name="group commit")
        # Whoever is cancelled ceases to wait; the item is written all the same.
        return await done

    async def _commit_all(self) -> None:
        """Write batch after batch until nothing waits."""
        try:
            while self._waiting:
                await self._commit(_Batch(self._waiting, self._most_at_once))
        finally:
            self._committing = None
            _cut_off(self._waiting)
            self._waiting.clear()

    async def _commit_put_off(self) -> None:
        """Write what was put off, each time what needs the same."""
        try:
            while self._put_off:
                key, waiting = next(iter(self._put_off.items()))
                await self._commit(_Batch(waiting, self._most_at_once))
                if not waiting:
                    del self._put_off[key]
        finally:
            self._committing_put_off = None
            for batch in self._put_off.values():
                _cut_off(batch)
            self._put_off.clear()

    async def _commit(self, batch: "_Batch[Item, Result]") -> None:
        try:
            results = await self._transaction(batch)
        except DATABASE_AWAY as error:
            _fail(batch.entries(), error)
        except asyncio.CancelledError:
            # The process ends, and whether the commit has happened is not known.
            _cut_off(batch.entries())
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where the item was added
            if len(batch.entries()) == 1:
                _fail(batch.entries(), error)
            else:
                await self._commit_one_by_one(batch.entries())
        else:
            for entry, result in zip(batch.entries(), results, strict=True):
                self._tell(entry, result)

    async def _commit_one_by_one(self, entries: Sequence[Entry[Item, Result]]) -> None:
        try:
            for each in entries:
                await self._commit(_Batch([each]))
        except asyncio.CancelledError:
            _cut_off(entries)  # nobody else has those that were not come to
            raise

    def _tell(self, entry: Entry[Item, Result], result: Result | Later) -> None:
        if result is LATER:
            self._put_off.setdefault(self._key(entry.item), []).append(entry)
            if self._committing_put_off is None:
                self._committing_put_off = asyncio.create_task(self._commit_put_off(), name="put off")
        elif not entry.done.done():
            entry.done.set_result(result)

    async def _transaction(self, batch: "_Batch[Item, Result]") -> Sequence[Result | Later]:
        """Write items in one transaction, again at once where PostgreSQL asks for that."""
        began = time.monotonic()
        results = await repeatedly(partial(self._run, batch.items))
        if len(results) != len(batch.entries()):
            raise RuntimeError("there is not a result for each item")
        if self._measure is not None:
            self._measure(len(results), time.monotonic() - began)
        return results


class _Batch(Generic[Item, Result]):
    """What is written together: of those who wait as many as may be, taken when it is first asked for.

    The thread that writes may ask for it while others come to wait, and the event loop at the same time where
    the process ends: it is taken once.
    """

    def __init__(self, waiting: MutableSequence[Entry[Item, Result]], most: int = MOST_AT_ONCE) -> None:
        self._waiting = waiting
        self._most = most
        self._entries: list[Entry[Item, Result]] | None = None
        self._taking = threading.Lock()

    def entries(self) -> Sequence[Entry[Item, Result]]:
        """Return them, and who waits for each."""
        with self._taking:
            if self._entries is None:
                self._entries = list(self._waiting[: self._most])
                del self._waiting[: len(self._entries)]
            return self._entries

    def items(self) -> Sequence[Item]:
        """Return them."""
        return [entry.item for entry in self.entries()]


def _fail(batch: Iterable[Entry[Item, Result]], error: BaseException) -> None:
    for entry in batch:
        if not entry.done.done():
            entry.done.set_exception(error)


def _cut_off(batch: Iterable[Entry[Item, Result]]) -> None:
    """Tell whoever still waits that the process ends: nothing is known of the commit."""
    _fail(batch, OperationalError("group commit", None, ConnectionAbortedError()))
