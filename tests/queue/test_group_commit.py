"""Group commit: what many do at once is written together, and each of them is told the truth."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.db.beginning import begin
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.db.models import Callback, Event, Order
from app.db.postgresql import EVENTS_LOCK
from app.db.url import async_database_url
from app.db.whole import Threads, WholeTransaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.callbacks import CallbackIntake, Received, write_callbacks
from app.orders.intake import NewOrder, create_order
from app.queue.group_commit import LATER, Gather, GroupCommit, Later, TooManyWaitingError, whole
from app.secrets import Encryption
from tests.harness import PATIENCE_SECONDS, eventually, waiting_for_locks
from tests.settings import SECRET_KEY


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    yield db
    await db.dispose()


async def place(db: Database) -> UUID:
    return (await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)).id


async def all_of(db: Database, *columns: Any) -> list[Any]:
    async with db.read() as session:
        return list((await session.execute(select(*columns).order_by(columns[0]))).all())


async def received(db: Database) -> list[UUID]:
    """Return the orders of callbacks' events, in the order of their numbers."""
    async with db.read() as session:
        query = select(Event.order_id).where(Event.type == EventType.CALLBACK_RECEIVED).order_by(Event.id)
        return [each for each in await session.scalars(query) if each is not None]


@dataclass
class Held:
    """Writes callbacks, and stands still in a batch until it may go on."""

    write: Callable[[WholeTransaction, Sequence[Received]], Sequence[bool | Later]] = write_callbacks
    batches: list[list[UUID]] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, tx: WholeTransaction, items: Sequence[Received]) -> Sequence[bool | Later]:
        self.batches.append([item.order_id for item in items])
        self.may_go_on.wait(10)
        return self.write(tx, items)


def group(db: Database, held: Held, **bounds: Any) -> GroupCommit[Received, bool]:
    return GroupCommit(whole(db, held), key=lambda item: item.order_id, **bounds)


async def gathered(
    commits: GroupCommit[Received, bool], held: Held, items: Sequence[Received]
) -> list[asyncio.Task[bool]]:
    """Add items of which the first is a batch of its own; the others gather while it is written."""
    first, *others = items
    tasks = [asyncio.create_task(commits.add(first))]
    await eventually(_number_of(held), lambda number: number == 1)
    tasks += [asyncio.create_task(commits.add(item)) for item in others]
    await asyncio.sleep(0)
    return tasks


def _number_of(held: Held) -> Callable[[], Any]:
    async def number() -> int:
        return len(held.batches)

    return number


async def test_what_arrives_while_a_batch_is_written_is_the_next_batch(db: Database) -> None:
    ids = [await place(db) for _ in range(5)]
    held = Held()
    tasks = await gathered(group(db, held), held, [Received(each, b"{}") for each in ids])
    assert not any(task.done() for task in tasks), "nothing is told before its commit"
    assert await received(db) == []
    held.may_go_on.set()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert held.batches == [ids[:1], ids[1:]]
    assert await received(db) == ids
    assert [row.wakes for row in await all_of(db, Order.id, Order.wakes)] == [1] * 5


class Beginning:
    """Stands still in every transaction that has begun, before its batch is gathered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        monkeypatch.setattr("app.db.whole.begin", self.begin)

    def begin(self, connection: Connection) -> datetime:
        moment = begin(connection)
        self.has_begun.set()
        self.may_go_on.wait(10)
        return moment

    async def gathered(
        self, commits: GroupCommit[Received, bool], items: Sequence[Received]
    ) -> list[asyncio.Task[bool]]:
        """Add items, all but the first once the transaction for that has begun."""
        first, *others = items
        tasks = [asyncio.create_task(commits.add(first))]
        await eventually(self._begun, lambda begun: begun)
        tasks += [asyncio.create_task(commits.add(item)) for item in others]
        await asyncio.sleep(0)
        return tasks

    async def _begun(self) -> bool:
        return self.has_begun.is_set()


async def test_what_arrives_while_a_transaction_begins_is_in_its_batch(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await place(db) for _ in range(4)]
    beginning, held = Beginning(monkeypatch), Held()
    held.may_go_on.set()
    commits = group(db, held)
    tasks = await beginning.gathered(commits, [Received(each, b"{}") for each in ids])
    beginning.may_go_on.set()
    assert await asyncio.gather(*tasks) == [True] * 4
    assert held.batches == [ids]
    assert await received(db) == ids


async def test_a_batch_has_a_size_and_so_has_what_waits(db: Database) -> None:
    ids = [await place(db) for _ in range(6)]
    held = Held()
    commits = group(db, held, most_at_once=2, most_waiting=5)
    tasks = await gathered(commits, held, [Received(each, b"{}") for each in ids])
    with pytest.raises(TooManyWaitingError):
        await commits.add(Received(ids[0], b"one too many"))
    held.may_go_on.set()
    assert await asyncio.gather(*tasks) == [True] * 6
    assert [len(batch) for batch in held.batches] == [1, 2, 2, 1]
    assert len(await all_of(db, Callback.id)) == 6


async def test_several_of_one_order_are_as_one_after_the_other(db: Database) -> None:
    one, other = await place(db), await place(db)
    held = Held()
    bodies = [b"x", b"a", b"a", b"b", b"a"]
    items = [Received(one, body) for body in bodies] + [Received(UUID(int=1), b"a"), Received(other, b"a")]
    tasks = await gathered(group(db, held), held, items)
    held.may_go_on.set()
    assert await asyncio.gather(*tasks) == [True, True, True, True, True, False, True]
    stored = await all_of(db, Callback.id, Callback.order_id, Callback.count)
    assert [(row.order_id, row.count) for row in stored] == [(one, 1), (one, 3), (one, 1), (other, 1)]
    assert dict(await all_of(db, Order.id, Order.wakes)) == {one: 5, other: 1}
    events = [
        row.type for row in await all_of(db, Event.id, Event.type) if row.type.startswith("order.callback")
    ]
    assert events == [
        EventType.CALLBACK_RECEIVED,
        EventType.CALLBACK_RECEIVED,
        EventType.CALLBACK_REPEATED,
        EventType.CALLBACK_RECEIVED,
        EventType.CALLBACK_RECEIVED,
    ]


def fail_on(bad: UUID) -> Callable[[WholeTransaction, Sequence[Received]], Sequence[bool | Later]]:
    """Return what writes callbacks, and one that no table takes."""

    def write(tx: WholeTransaction, items: Sequence[Received]) -> Sequence[bool | Later]:
        results = write_callbacks(tx, items)
        for item in items:
            if item.order_id == bad:
                record(tx, item.order_id, EventType.ATTENTION_STARTED)
                tx.connection.execute(insert(Callback), [{"order_id": UUID(int=7), "body": b"", "count": 1}])
        return results

    return write


async def test_what_cannot_be_written_fails_alone(db: Database) -> None:
    ids = [await place(db) for _ in range(5)]
    bad = ids[2]
    held = Held(fail_on(bad))
    notices: list[Any] = []
    db.on_commit(notices.append)
    tasks = await gathered(group(db, held), held, [Received(each, b"{}") for each in ids])
    held.may_go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(2), IntegrityError)
    assert results == [True] * 4
    good = [each for each in ids if each != bad]
    assert await received(db) == good, "each once"
    assert {row.id: row.wakes for row in await all_of(db, Order.id, Order.wakes)} == {
        each: int(each != bad) for each in ids
    }
    told = [row.type for row in await all_of(db, Event.id, Event.type)]
    assert EventType.ATTENTION_STARTED not in told, "what it gathered went with it"
    assert len(notices) == 4, "nobody is told of what did not happen"


async def test_a_wake_that_comes_while_its_batch_is_written_is_not_lost(db: Database) -> None:
    """What an order's row says when the batch locks it counts, not what it said before."""
    order_id = await place(db)
    held = Held()
    commits = group(db, held)
    if db.is_sqlite:
        held.may_go_on.set()
        await asyncio.gather(*(commits.add(Received(order_id, b"%d" % number)) for number in range(4)))
    else:
        task = asyncio.create_task(commits.add(Received(order_id, b"a")))
        await eventually(_number_of(held), lambda number: number == 1)
        async with db.write() as tx:
            await tx.session.execute(update(Order).where(Order.id == order_id).values(wakes=Order.wakes + 3))
        held.may_go_on.set()
        assert await task
    assert [row.wakes for row in await all_of(db, Order.id, Order.wakes)] == [4]


async def test_who_has_locked_an_order_holds_up_no_other_order(postgres_url: str) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    ids = [await place(db) for _ in range(4)]
    held = Held()
    async with db.write() as tx:
        await tx.session.execute(select(Order).where(Order.id == ids[2]).with_for_update())
        tasks = await gathered(group(db, held), held, [Received(each, b"{}") for each in (*ids, ids[2])])
        held.may_go_on.set()
        assert await asyncio.gather(*tasks[:2], tasks[3]) == [True] * 3
        assert not tasks[2].done()
        assert not tasks[4].done()
    assert await asyncio.gather(*tasks[2::2]) == [True, True]
    assert held.batches[-1] == [ids[2], ids[2]], "both of it together"
    assert [row.count for row in await all_of(db, Callback.id, Callback.count)] == [1, 1, 1, 2]
    await db.dispose()


async def test_of_what_is_put_off_nothing_is_lost_that_does_not_fit_into_a_batch() -> None:
    """A row that stays locked for a moment, and more items that need it than a batch holds."""
    is_free, put_off, written = asyncio.Event(), list[int](), list[int]()

    async def run(gather: Gather[int]) -> Sequence[bool | Later]:
        items = gather()
        task = asyncio.current_task()
        if task is not None and task.get_name() == "group commit":  # others' are beside them
            put_off.extend(items)
            return [LATER] * len(items)
        await is_free.wait()
        written.extend(items)
        return [True] * len(items)

    commits: GroupCommit[int, bool] = GroupCommit(run, key=lambda _item: "one order", most_at_once=4)
    tasks = [asyncio.create_task(commits.add(number)) for number in range(11)]

    async def number_put_off() -> int:
        return len(put_off)

    await eventually(number_put_off, lambda number: number == len(tasks))
    is_free.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*tasks) == [True] * len(tasks)
    assert written == list(range(len(tasks)))


async def test_what_is_kept_of_an_order_is_read_once_it_is_locked(postgres_url: str) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    order_id = await place(db)
    async with db.write() as tx:
        # Another replica, to which the same callback came, has not committed yet.
        await tx.session.execute(update(Order).where(Order.id == order_id).values(wakes=Order.wakes + 1))
        kept = {"order_id": order_id, "body_sha256": sha256(b"{}").hexdigest(), "body": b"{}"}
        moments = {"first_received_at": tx.now, "last_received_at": tx.now}
        await tx.session.execute(insert(Callback).values(**kept, **moments))
        task = asyncio.create_task(CallbackIntake(db).record(order_id, b"{}"))
        await eventually(lambda: waiting_for_locks(db), lambda count: count > 0)
    assert await task
    assert [row.count for row in await all_of(db, Callback.id, Callback.count)] == [2]
    await db.dispose()


async def test_two_replicas_whose_batches_cross_take_their_locks_in_one_order(postgres_url: str) -> None:
    replicas = [Database(async_database_url(postgres_url), Encryption([SECRET_KEY])) for _ in range(2)]
    ids = [await place(replicas[0]) for _ in range(40)]
    intakes = [CallbackIntake(db) for db in replicas]
    for number in range(10):
        body = b"%d" % number
        orders = [ids, list(reversed(ids))]
        calls = [
            intake.record(each, body) for intake, some in zip(intakes, orders, strict=True) for each in some
        ]
        assert await asyncio.gather(*calls) == [True] * 80
    async with replicas[0].read() as session:
        deadlocks = await session.scalar(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        )
    assert deadlocks == 0
    assert [row.wakes for row in await all_of(replicas[0], Order.id, Order.wakes)] == [20] * 40
    for db in replicas:
        await db.dispose()


async def test_where_nobody_knows_of_the_commit_nobody_is_told_that_it_happened(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await place(db) for _ in range(4)]
    intake = CallbackIntake(db)
    run = Threads.run

    async def cut_off(threads: Threads, work: Any) -> None:
        await run(threads, work)
        raise OperationalError("COMMIT", None, ConnectionResetError())

    with monkeypatch.context() as patched:
        patched.setattr(Threads, "run", cut_off)
        told = await asyncio.gather(*(intake.record(each, b"{}") for each in ids), return_exceptions=True)
    assert [type(each) for each in told] == [OperationalError] * 4
    assert await asyncio.gather(*(intake.record(each, b"{}") for each in ids)) == [True] * 4
    stored = await all_of(db, Callback.id, Callback.count)
    assert [row.count for row in stored] == [2] * 4, "sent again, and known again"


async def test_events_of_a_batch_get_their_numbers_under_the_lock(postgres_url: str) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    ids = [await place(db) for _ in range(3)]
    intake = CallbackIntake(db)

    async def numbers_given() -> int:
        async with db.read() as session:
            given = await session.scalar(
                text("SELECT last_value FROM pg_sequences WHERE sequencename = 'events_id_seq'")
            )
        return int(given or 0)

    async def waiting() -> int:
        async with db.read() as session:
            query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            return int((await session.execute(query)).scalar_one())

    before = await numbers_given()
    async with db.read() as session:
        await session.execute(select(func.pg_advisory_xact_lock(EVENTS_LOCK)))
        calls = [asyncio.create_task(intake.record(each, b"{}")) for each in ids]
        await eventually(waiting, lambda number: number > 0)
        assert await numbers_given() == before
    assert await asyncio.gather(*calls) == [True] * 3
    assert await numbers_given() == before + 3
    await db.dispose()


async def test_a_connection_that_was_cut_before_the_commit_is_replaced(postgres_url: str) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    order_id = await place(db)
    intake = CallbackIntake(db)
    assert await intake.record(order_id, b"a")
    async with db.read() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert await intake.record(order_id, b"a")
    assert [row.count for row in await all_of(db, Callback.id, Callback.count)] == [2]
    await db.dispose()


async def test_a_connection_that_is_cut_in_its_commit_is_not_repeated(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was committed nobody knows: once more would count the callback twice."""
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    order_id = await place(db)
    intake = CallbackIntake(db)
    threads: Any = db._threads
    run = threads._run
    tried = []

    def cut(work: Any, committing: list[bool]) -> Any:
        tried.append(run(work, committing))
        raise DBAPIError("COMMIT", None, Exception(), connection_invalidated=True)

    monkeypatch.setattr(threads, "_run", cut)
    with pytest.raises(DBAPIError):
        await intake.record(order_id, b"a")
    assert len(tried) == 1
    assert [row.count for row in await all_of(db, Callback.id, Callback.count)] == [1]
    await db.dispose()


async def test_who_ceases_to_wait_takes_nothing_from_the_others(db: Database) -> None:
    ids = [await place(db) for _ in range(3)]
    held = Held()
    tasks = await gathered(group(db, held), held, [Received(each, b"{}") for each in ids])
    tasks[1].cancel()
    held.may_go_on.set()
    assert await tasks[0]
    assert await tasks[2]
    assert await received(db) == ids, "what was taken in is written"


async def test_on_the_end_of_the_process_whoever_waits_is_told_that_nothing_is_known(db: Database) -> None:
    ids = [await place(db) for _ in range(3)]
    held = Held()
    commits = group(db, held)
    tasks = await gathered(commits, held, [Received(each, b"{}") for each in ids])
    committing = commits._committing
    assert committing is not None
    committing.cancel()
    for task in tasks:
        with pytest.raises(DATABASE_AWAY):
            await task
    held.may_go_on.set()


async def test_what_the_end_of_the_process_cuts_off_in_its_beginning_is_written_once_or_not_at_all(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await place(db) for _ in range(3)]
    beginning, held = Beginning(monkeypatch), Held()
    held.may_go_on.set()
    commits = group(db, held)
    tasks = await beginning.gathered(commits, [Received(each, b"{}") for each in ids])
    committing = commits._committing
    assert committing is not None
    committing.cancel()
    for task in tasks:
        with pytest.raises(DATABASE_AWAY):
            await task
    beginning.may_go_on.set()
    await eventually(_number_of(held), lambda number: number == 1)
    assert held.batches == [ids], "what both have taken is the same, and taken once"


async def test_on_the_end_of_the_process_those_of_a_bad_batch_are_told_too() -> None:
    """Those behind the one that is being written alone wait in no list any more."""
    may_go_on, runs_alone = asyncio.Event(), asyncio.Event()

    async def run(gather: Gather[int]) -> Sequence[int]:
        items = list(gather())
        if items == [0]:
            await may_go_on.wait()
        elif len(items) > 1:
            raise ValueError("one of them is bad")
        else:
            runs_alone.set()
            await asyncio.Event().wait()
        return items

    group: GroupCommit[int, int] = GroupCommit(run, key=lambda item: item)
    first = asyncio.create_task(group.add(0))
    await asyncio.sleep(0.01)
    tasks = [asyncio.create_task(group.add(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0.01)
    may_go_on.set()
    await runs_alone.wait()
    assert await first == 0
    assert group._committing is not None
    group._committing.cancel()
    _, pending = await asyncio.wait(tasks, timeout=1)
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not pending
