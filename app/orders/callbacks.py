"""Callbacks that were let in: stored, counted, and their order made due. Never believed."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, column, func, insert, null, select, update

from app.db.database import Database
from app.db.models import Callback, Order
from app.db.several import Several, among
from app.db.whole import WholeTransaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.waking import MAKE_DUE, making_due
from app.queue.group_commit import LATER, GroupCommit, Later, whole
from app.states import FINAL, OrderStatus

MAX_BODIES_PER_ORDER = 20
"""Of those that name no task, or one that was named before; as many again that each name another one."""
MAX_ID_DIGITS = 19

_ORDERS = (
    select(Order.id, Order.account_id, Order.status, Order.erased_at)
    .where(among(Order.id, "ids"))
    .order_by(Order.id)
)
_LOCK = _ORDERS.with_for_update()
_KEEPING = (
    Callback.id,
    Callback.body_sha256,
    Callback.task_id,
    Callback.count,
    Callback.overruled_at.is_not(None),
)
_KEPT = select(*_KEEPING).where(among(Callback.order_id, "ids")).order_by(Callback.id)
_LOCK_FREE = (
    _ORDERS.outerjoin(Callback, Callback.order_id == Order.id)
    .add_columns(*_KEEPING)
    .order_by(Callback.id)
    .with_for_update(of=Order, skip_locked=True)
)
_COUNT = (
    update(Callback)
    .where(among(Callback.id, "ids"))
    .values(count=Callback.count + bindparam("repeats"), last_received_at=bindparam("now"))
)
_SPEAKS_AGAIN = (
    update(Callback)
    .where(among(Callback.id, "ids"))
    .values(overruled_at=None, checked_at=None, unread_since=null(), untold_since=null())
)
_STORED = Callback.__table__.c
_COLUMNS = ("order_id", "body_sha256", "body", "task_id", "count")
_GIVEN = (
    func.unnest(*(bindparam(name, type_=Several(_STORED[name].type)) for name in _COLUMNS))
    .table_valued(*(column(name, _STORED[name].type) for name in _COLUMNS))
    .render_derived(name="given")
)
_NOW = bindparam("now", type_=_STORED.first_received_at.type)
# One statement in place of one for each row and one more: to send it and to wait for it is most of what a
# batch costs on PostgreSQL.
_INSERT_AND_MAKE_DUE = (
    insert(Callback)
    .from_select([*_COLUMNS, "first_received_at", "last_received_at"], select(*_GIVEN.c, _NOW, _NOW))
    .add_cte(MAKE_DUE.cte("made_due"))
)


@dataclass(slots=True)
class Received:
    """A callback whose `Authorization` was right."""

    order_id: UUID
    body: bytes
    is_repeated: bool = False
    """Once it is stored: whether it was known."""
    is_told: bool = False
    """Whether the timeline tells of it, as it does of the first and of few of its repeats."""


@dataclass(slots=True)
class _Kept:
    """A body that is kept, or will be."""

    id: int | None
    digest: str
    task_id: int | None
    count: int
    is_overruled: bool = False
    body: bytes = b""
    repeats: int = 0
    """How often it came in this batch, after it was kept."""
    speaks_again: bool = False
    """Whether it stands for one more that came after an operator had overruled it."""


async def record_callback(db: Database, order_id: UUID, body: bytes) -> bool:
    """Store one callback as `CallbackIntake.record` does, for who has no other to store with it."""
    return await CallbackIntake(db).record(order_id, body)


@dataclass(slots=True)
class _Locked:
    """An order whose row is locked, and what is kept of its callbacks."""

    account_id: str
    status: OrderStatus
    is_erased: bool
    bodies: list[_Kept] = field(default_factory=list)
    news: int = 0
    """How much of this batch is worth looking at."""


class CallbackIntake:
    """Stores callbacks, each committed when that returns, many at a time where many come."""

    def __init__(self, db: Database, *, measure: Callable[[int, float], None] | None = None) -> None:
        """Write to `db`."""
        self._group = GroupCommit(whole(db, write_callbacks), key=attrgetter("order_id"), measure=measure)

    async def record(self, order_id: UUID, body: bytes) -> bool:
        """Store a callback whose `Authorization` was right and make its order due.

        Returns False if there is no such order. A body that came before is counted, not stored again; so is
        any further one once an order has had an absurd number of different ones.

        Raises:
            TooManyWaitingError: the callback was not taken in.
        """
        return await self.take(Received(order_id, body))

    async def take(self, received: Received) -> bool:
        """Store a callback as `record` does, and have it say whether it was a repeat."""
        return await self._group.add(received)


def write_callbacks(tx: WholeTransaction, received: Sequence[Received]) -> list[bool | Later]:
    """Store callbacks as if they came one after the other; tell of each whether there is such an order.

    Those of an order that somebody else has locked are put off, unless it is the only one.
    """
    order_ids = sorted({each.order_id for each in received})
    orders = _lock_orders(tx, order_ids)
    locked = _existing(tx, [order_id for order_id in order_ids if order_id not in orders])
    for each in received:
        order = orders.get(each.order_id)
        # What an erased order is told is not kept: nothing can become of it.
        if order is None or order.is_erased:
            continue
        is_new = _keep(tx, each, order.bodies)
        each.is_repeated = not is_new
        # A final order is looked at only to see whether the callback is of another order that is its double.
        if is_new or order.status not in FINAL:
            order.news += 1
    _write(tx, orders)
    return [LATER if each.order_id in locked else each.order_id in orders for each in received]


def _lock_orders(tx: WholeTransaction, order_ids: Sequence[UUID]) -> dict[UUID, _Locked]:
    """Lock the orders, all in one statement and in the order of their ids; return what matters of them.

    One order is waited for, and what is kept of it is read once it is locked: who had it locked may have
    added to that. Of several those are left out that somebody else has locked. In the moment between reading
    what is kept and the lock a body may be added: where it is in the batch as well, it cannot be added again,
    and each of the batch is written alone.
    """
    if len(order_ids) == 1:
        orders = _locked(tx.connection.execute(_LOCK, {"ids": order_ids}))
        for order in orders.values():
            order.bodies += [_Kept(*row) for row in tx.connection.execute(_KEPT, {"ids": order_ids})]
        return orders
    return _locked(tx.connection.execute(_LOCK_FREE, {"ids": order_ids}))


def _locked(rows: Iterable[Sequence[Any]]) -> dict[UUID, _Locked]:
    """Return orders, each of which is in several rows if several bodies are kept of it, the oldest first."""
    orders: dict[UUID, _Locked] = {}
    for order_id, account_id, status, erased_at, *kept in rows:
        order = orders.get(order_id)
        if order is None:
            order = orders[order_id] = _Locked(account_id, status, erased_at is not None)
        if kept and kept[0] is not None:
            order.bodies.append(_Kept(*kept))
    return orders


def _existing(tx: WholeTransaction, order_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of the orders that could not be locked exist, if they were not waited for."""
    if not order_ids or tx.is_sqlite:
        return set()
    return set(tx.connection.execute(_ORDERS, {"ids": order_ids}).scalars())


def _keep(tx: WholeTransaction, received: Received, bodies: list[_Kept]) -> bool:
    """Add a body to what is kept of its order, or count it; tell whether there is something new."""
    digest = hashlib.sha256(received.body).hexdigest()
    same, is_news = next((kept for kept in bodies if kept.digest == digest), None), False
    hint = task_id_hint(received.body) if same is None else None
    if same is None and _are_full(bodies, hint):
        same = bodies[-1]
        is_news, same.is_overruled = same.is_overruled, False
        same.speaks_again |= is_news
    if same is None:
        bodies.append(_Kept(None, digest, hint, 1, body=received.body))
        received.is_told = True
        record(tx, received.order_id, EventType.CALLBACK_RECEIVED, task_id=hint, bytes=len(received.body))
        return True
    same.count += 1
    same.repeats += 1
    received.is_told = same.count.bit_count() == 1  # of many, the second, fourth, eighth, …
    if received.is_told:
        record(tx, received.order_id, EventType.CALLBACK_REPEATED, task_id=same.task_id, count=same.count)
    return is_news


def _are_full(bodies: Sequence[_Kept], hint: int | None) -> bool:
    """Tell whether no other body is kept of an order that names a task, or none."""
    is_known = hint is None or any(kept.task_id == hint for kept in bodies)
    return len(bodies) >= MAX_BODIES_PER_ORDER * (1 if is_known else 2)


def _write(tx: WholeTransaction, orders: Mapping[UUID, _Locked]) -> None:
    """Write what has been added and counted, and make the orders due of which there is news."""
    added: list[tuple[UUID, str, bytes, int | None, int]] = []
    repeated: defaultdict[int, list[int]] = defaultdict(list)
    for order_id, order in orders.items():
        for kept in order.bodies:
            if kept.id is None:
                added.append((order_id, kept.digest, kept.body, kept.task_id, kept.count))
            elif kept.repeats:
                repeated[kept.repeats].append(kept.id)
    told = {order_id: order for order_id, order in orders.items() if order.news}
    made_due = making_due(
        tx,
        {order_id: order.news for order_id, order in told.items()},
        fresh={order_id for order_id, *_ in added},
        accounts={order.account_id for order in told.values()},
    )
    if added and tx.is_sqlite:
        moments = {"first_received_at": tx.now, "last_received_at": tx.now}
        tx.connection.execute(
            insert(Callback), [dict(zip(_COLUMNS, row, strict=True)) | moments for row in added]
        )
    elif added:
        # What is added is news: there is an order to be made due.
        columns = zip(_COLUMNS, map(list, zip(*added, strict=True)), strict=True)
        tx.connection.execute(_INSERT_AND_MAKE_DUE, {**dict(columns), **made_due.pop()})
    for each in made_due:
        tx.connection.execute(MAKE_DUE, each)
    again = [kept.id for order in orders.values() for kept in order.bodies if kept.id and kept.speaks_again]
    if again:
        tx.connection.execute(_SPEAKS_AGAIN, {"ids": again})
    for repeats, ids in repeated.items():
        tx.connection.execute(_COUNT, {"ids": ids, "repeats": repeats, "now": tx.now})


def task_id_hint(body: bytes) -> int | None:
    """Return the task id in a callback's body under any shape that it may have, None if there is none.

    (provider page: the body's shape is not documented; `{"task": {"id"}}`, the task's fields at the top
    and `{"task_id"}` are inferred)
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    task = document.get("task")
    nested = task.get("id") if isinstance(task, dict) else task
    candidates = [nested, document.get("task_id"), document.get("id")]
    return next((number for number in map(_number, candidates) if number is not None), None)


def _number(value: object) -> int | None:
    if isinstance(value, str) and len(value) <= MAX_ID_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        return None
    return value
