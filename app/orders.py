"""Intake: create an order, record a callback, read an order. The database only; nothing here asks CloudPress.

Intake makes rows due and leaves everything else to the reconciler.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from uuid_utils.compat import uuid7

from app.db import Database, Transaction
from app.models import Account, Callback, Order, Site, Task
from app.states import FINAL, OrderStatus
from app.timeline import record

MAX_BODIES_PER_ORDER = 20
MAX_ID_DIGITS = 19


@dataclass(frozen=True)
class NewOrder:
    """What a client orders."""

    account_id: str
    site_name: str
    variant: str
    location: str | None
    plan: str | None
    return_url: str | None
    metadata: dict[str, str]
    by: str | None = None
    """Who orders, as the timeline tells it."""
    account_is_stored: bool = False
    """Whether the account is one of our table, rather than the environment's."""


@dataclass(frozen=True)
class Idempotency:
    """A client's promise that a request with the same key is the same request.

    `identity` is whose key it is, which survives the rotation of the API key; `fingerprint` tells one request
    from another.
    """

    identity: str
    key: str
    fingerprint: str


class IdempotencyConflictError(Exception):
    """The idempotency key was used for another order."""


class AccountGoneError(Exception):
    """The account was deleted before the order for it was stored; nothing was stored."""


@dataclass(frozen=True)
class OrderView:
    """An order with what CloudPress has shown of it."""

    order: Order
    tasks: tuple[Task, ...]
    site: Site | None


@dataclass(frozen=True)
class Credentials:
    """How to log in to a site by ssh."""

    ipaddr: str | None
    username: str | None
    password: str | None = field(repr=False)
    port: int | None


def fingerprint_of(request: Mapping[str, Any]) -> str:
    """Return a digest that is the same for the same request, however its JSON was written."""
    document = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(document.encode()).hexdigest()


async def create_order(db: Database, new: NewOrder, idempotency: Idempotency | None) -> Order:
    """Store an order, committed and due, and return it; the first one for a repeated key.

    Raises:
        IdempotencyConflictError: the key stands for another order.
        AccountGoneError: the order's account has been deleted.
    """
    if idempotency is None:
        return await _insert(db, new, None)
    known = await find_repeated(db, idempotency)
    if known is not None:
        return known
    try:
        return await _insert(db, new, idempotency)
    except IntegrityError:
        # The same key came twice at once and the other one was first.
        known = await find_repeated(db, idempotency)
        if known is None:
            raise
        return known


async def _insert(db: Database, new: NewOrder, idempotency: Idempotency | None) -> Order:
    async with db.write() as tx:
        if new.account_is_stored and not await _keep_account(tx.session, new.account_id):
            raise AccountGoneError
        order = Order(
            id=uuid7(),
            status=OrderStatus.PENDING,
            account_id=new.account_id,
            site_name=new.site_name,
            variant=new.variant,
            location=new.location,
            plan=new.plan,
            return_url=new.return_url,
            client_metadata=new.metadata,
            idempotency_identity=idempotency.identity if idempotency else None,
            idempotency_key=idempotency.key if idempotency else None,
            idempotency_fingerprint=idempotency.fingerprint if idempotency else None,
            due_at=tx.now,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(order)
        await tx.session.flush()
        record(tx, order.id, "accepted", by=new.by)
        tx.announce(due=Order)
        return order


async def _keep_account(session: AsyncSession, account_id: str) -> bool:
    """Let nobody delete an account until the transaction ends; False if it is gone."""
    locked = select(Account.id).where(Account.id == account_id).with_for_update(read=True)
    return (await session.execute(locked)).first() is not None


async def find_repeated(db: Database, idempotency: Idempotency) -> Order | None:
    """Return the order that an idempotency key stands for, None if it is new.

    Raises:
        IdempotencyConflictError: it stands for another request's.
    """
    known = select(Order).where(
        Order.idempotency_identity == idempotency.identity, Order.idempotency_key == idempotency.key
    )
    async with db.read() as session:
        order = (await session.scalars(known)).one_or_none()
    if order is not None and order.idempotency_fingerprint != idempotency.fingerprint:
        raise IdempotencyConflictError
    return order


async def find_order(session: AsyncSession, order_id: UUID) -> OrderView | None:
    """Return an order with its tasks and its site, None if there is no such order."""
    order = await session.get(Order, order_id)
    if order is None:
        return None
    tasks = (await session.scalars(select(Task).where(Task.order_id == order_id).order_by(Task.id))).all()
    return OrderView(order, tuple(tasks), await session.get(Site, order_id))


def make_due(tx: Transaction, order: Order) -> None:
    """Have an order, whose row is locked, looked at as soon as CloudPress's `Retry-After` allows.

    `wakes` tells a pass that holds the order now that there is news since it was claimed.
    """
    order.wakes += 1
    order.due_at = max(tx.now, order.not_before or tx.now)
    tx.announce(due=Order)


async def read_credentials(db: Database, order_id: UUID, *, reader: str) -> Credentials | None:
    """Return how to log in to an order's site, None while there is no such order or no site yet.

    That they were read, and by whom, is committed before they are returned.

    Raises:
        UndecryptableError: the password was stored under a key that SECRET_KEY no longer holds.
    """
    async with db.write() as tx:
        # The order first, as everywhere: the event below refers to it.
        await tx.session.get(Order, order_id, with_for_update=True)
        site = await tx.session.get(Site, order_id, options=[undefer(Site.ssh_password)])
        if site is None:
            return None
        record(tx, order_id, "credentials_read", by=reader)
        ssh = site.details.get("ssh") or {}
        password = site.ssh_password.decode() if site.ssh_password is not None else None
        return Credentials(ssh.get("ipaddr"), ssh.get("username"), password, ssh.get("port"))


async def record_callback(db: Database, order_id: UUID, body: bytes) -> bool:
    """Store a callback whose `Authorization` was right and make its order due.

    Returns False if there is no such order. A body that came before is counted, not stored again; so is
    any further one once an order has had an absurd number of different ones.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None:
            return False
        known = select(Callback).where(Callback.order_id == order_id).order_by(Callback.id.desc())
        callbacks = (await tx.session.scalars(known)).all()
        digest = hashlib.sha256(body).hexdigest()
        same = next((callback for callback in callbacks if callback.body_sha256 == digest), None)
        if same is None and len(callbacks) >= MAX_BODIES_PER_ORDER:
            same = callbacks[0]
        news = same is None
        if same is not None:
            same.count += 1
            same.last_received_at = tx.now
            if same.count.bit_count() == 1:  # of many, the second, fourth, eighth, …
                record(tx, order_id, "callback_repeated", task_id=same.task_id, count=same.count)
        else:
            hint = task_id_hint(body)
            tx.session.add(
                Callback(
                    order_id=order_id,
                    body_sha256=digest,
                    body=body,
                    task_id=hint,
                    first_received_at=tx.now,
                    last_received_at=tx.now,
                )
            )
            record(tx, order_id, "callback_received", task_id=hint, bytes=len(body))
        # A final order is looked at only to see whether the callback is of another order that is its double.
        if news or order.status not in FINAL:
            make_due(tx, order)
        return True


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
