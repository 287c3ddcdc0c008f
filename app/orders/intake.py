"""Intake: create an order, record a callback, read an order. The database only; nothing here asks CloudPress.

Intake makes rows due and leaves everything else to the reconciler.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.database import Database
from app.db.models import Account, Order
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.erasing import digested, erased_keys
from app.queue.group_commit import Gather, GroupCommit
from app.states import OrderStatus


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
    by: Actor | None = None
    """Who orders, as the timeline tells it."""
    account_is_stored: bool = False
    """Whether the account is one of our table, rather than the environment's."""
    traceparent: str | None = None
    """The trace of the request that orders."""
    progress_url: Callable[[UUID], str] | None = None
    """Makes the address of the end user's page of an order's id; None for no such page.

    The end user comes back to it after paying, unless the client says where to.
    """


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


class _ErasedKeyError(Exception):
    """An idempotency key is that of an order which has been erased."""


class AccountGoneError(Exception):
    """The account was deleted before the order for it was stored; nothing was stored."""


def fingerprint_of(request: Mapping[str, Any]) -> str:
    """Return a digest that is the same for the same request, however its JSON was written."""
    document = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(document.encode()).hexdigest()


async def create_order(db: Database, new: NewOrder, idempotency: Idempotency | None) -> Order:
    """Store one order as `OrderIntake.create` does, for who has no other to store with it."""
    known = await find_repeated(db, idempotency) if idempotency is not None else None
    return known or await OrderIntake(db).create(new, idempotency)


@dataclass(frozen=True)
class _Ordered:
    """An order to be stored."""

    new: NewOrder
    idempotency: Idempotency | None
    id: UUID


class OrderIntake:
    """Stores orders, each committed when that returns, many at a time where many come."""

    def __init__(self, db: Database, *, measure: Callable[[int, float], None] | None = None) -> None:
        """Write to `db`."""
        self._db = db
        self._group: GroupCommit[_Ordered, Order] = GroupCommit(
            self._store, key=lambda ordered: ordered.id, measure=measure
        )

    async def create(self, new: NewOrder, idempotency: Idempotency | None) -> Order:
        """Store an order, committed and due, and return it; the first one for a repeated key.

        Raises:
            IdempotencyConflictError: the key stands for another order.
            AccountGoneError: the order's account has been deleted.
            TooManyWaitingError: the order was not taken in.
        """
        try:
            return await self._group.add(_Ordered(new, idempotency, uuid7()))
        except (IntegrityError, _ErasedKeyError):
            # The same key came twice at once and the other one was first; its order may be erased by now.
            known = await find_repeated(self._db, idempotency) if idempotency is not None else None
            if known is None:
                raise
            return known

    async def _store(self, gather: Gather[_Ordered]) -> list[Order]:
        async with self._db.write() as tx:
            all_ordered = gather()
            accounts = {each.new.account_id for each in all_ordered if each.new.account_is_stored}
            for account_id in sorted(accounts):
                if not await _keep_account(tx.session, account_id):
                    raise AccountGoneError  # those of other accounts are stored without it
            orders = [_order_of(ordered, tx.now) for ordered in all_ordered]
            tx.session.add_all(orders)
            await tx.session.flush()
            await _require_unerased(tx.session, all_ordered)
            for order, ordered in zip(orders, all_ordered, strict=True):
                record(tx, order.id, EventType.ACCEPTED, by=ordered.new.by)
            for account_id in {order.account_id for order in orders}:
                tx.announce(due=Order, account=account_id)
            return orders


def _order_of(ordered: _Ordered, now: datetime) -> Order:
    new, idempotency = ordered.new, ordered.idempotency
    progress_url = new.progress_url(ordered.id) if new.progress_url is not None else None
    return Order(
        id=ordered.id,
        status=OrderStatus.PENDING,
        account_id=new.account_id,
        site_name=new.site_name,
        variant=new.variant,
        location=new.location,
        plan=new.plan,
        return_url=new.return_url or progress_url,
        progress_url=progress_url,
        client_metadata=new.metadata,
        traceparent=new.traceparent,
        idempotency_identity=idempotency.identity if idempotency else None,
        idempotency_key=idempotency.key if idempotency else None,
        idempotency_fingerprint=idempotency.fingerprint if idempotency else None,
        due_at=now,
        created_at=now,
        updated_at=now,
    )


async def _require_unerased(session: AsyncSession, all_ordered: Sequence[_Ordered]) -> None:
    """Raise `_ErasedKeyError` if a key of orders, which have just been inserted, is that of an erased one.

    The index on keys does not know them as the same. But while one is being erased, the insert has waited for
    the end of that by this index; so whoever asks after it, and not before, sees every digest there is.
    """
    keys = [(each.idempotency.identity, each.idempotency.key) for each in all_ordered if each.idempotency]
    if await erased_keys(session, keys):
        raise _ErasedKeyError


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
        Order.idempotency_identity == idempotency.identity,
        # An erased order has its digest.
        Order.idempotency_key.in_([idempotency.key, digested(idempotency.key)]),
    )
    async with db.read() as session:
        # There may be two in a database in which a key was let in anew once its order was erased.
        orders = (await session.scalars(known.order_by(Order.created_at, Order.id))).all()
    same = [order for order in orders if order.idempotency_fingerprint == idempotency.fingerprint]
    if orders and not same:
        raise IdempotencyConflictError
    return same[0] if same else None
