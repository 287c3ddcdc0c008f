"""Erasure: of a finished order all that is personal goes, and what must outlive it stays.

What is left is a tombstone: the order's row with its id, status, times, account, variant and the CloudPress
orders that it holds or that were taken for it, so that no other order takes one of them up; the digest of
its idempotency key with the fingerprint, so that a repeated request buys nothing; which key signed which
attempt; the ids of its tasks and of its site, which are no other order's; and what happened when, by whom,
in no one's words.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Callback, Delivery, Event, LookUp, Order, Orphan, Placement, Site, Task
from app.db.several import among
from app.db.transactions import Transaction
from app.db.unindexed import none_of, unindexed_on_sqlite
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.states import FINAL, LATE_LOOK_AFTER

KEPT_OF_EVENTS = ("by", "by_key", "before", "after", "action", "code")
"""What stays of what an event tells: words of ours, and who did something."""
# No header begins with a space, so no client's key looks like one.
DIGESTED = " sha256:"
_DIGESTS = select(Order.idempotency_identity, Order.idempotency_key).where(
    among(Order.idempotency_identity, "identities"), among(Order.idempotency_key, "digests")
)


class UnfinishedError(Exception):
    """Something may still become of the order, so nothing of it can go; the text says what."""


def digested(idempotency_key: str) -> str:
    """Return what stands for an idempotency key, which may tell of a person, when its order is erased."""
    return DIGESTED + hashlib.sha256(idempotency_key.encode()).hexdigest()


async def erased_keys(
    session: AsyncSession, keys: Collection[tuple[str | None, str]]
) -> set[tuple[str | None, str]]:
    """Return which of idempotency keys, each behind whose it is, are those of orders that are erased."""
    if not keys:
        return set()
    identities = list({identity for identity, _ in keys})
    digests = [digested(key) for _, key in keys]
    found = await session.execute(_DIGESTS, {"identities": identities, "digests": digests})
    erased = {(identity, digest) for identity, digest in found}
    return {(identity, key) for identity, key in keys if (identity, digested(key)) in erased}


def is_finished(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that nothing can become of an order any more: final alone is not enough.

    Its deliveries are another matter. `why_unfinished` tells the same in words.
    """
    return (
        Order.finalized_at.is_not(None),
        # Nearly all orders are due no more: SQLite would read all these by that index, and sort them.
        unindexed_on_sqlite(Order.due_at).is_(None),
        Order.lease_token.is_(None),
        Order.late_look_at.is_(None),
        Order.attention_code.is_(None),
        Order.suspected_duplicates.is_(None),
        none_of(Order, Placement.order_id == Order.id, *_may_be_answered(now)),
    )


def _may_be_answered(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Placement.outcome.is_(None), Placement.sent_at > now - LATE_LOOK_AFTER


async def why_unfinished(session: AsyncSession, order: Order, now: datetime) -> str | None:
    """Return why something may still become of an order and what to do about it; None if nothing can."""
    if order.status not in FINAL:
        return f"The order is {order.status}: only what is final can be erased. Wait for it, or cancel it."
    if order.suspected_duplicates is not None or order.attention_code is not None:
        return "The order asks for attention: see to that first."
    unanswered = select(func.count()).where(Placement.order_id == order.id, *_may_be_answered(now))
    looked_at = (order.due_at, order.lease_until, order.late_look_at)
    if any(looked_at) or (await session.execute(unanswered)).scalar_one():
        until = max((moment for moment in looked_at if moment is not None), default=None)
        when = f", at the latest at {until.isoformat(timespec='seconds')}" if until else ""
        return f"The order is final and is looked at once more{when}: erase it after that."
    return None


@repeated
async def erase_order(db: Database, order_id: UUID, *, by: Actor) -> bool:
    """Erase what is personal of an order, whose tombstone stays; False if there is no such order.

    Deliveries that are on their way go too. What is erased already stays as it is.

    Raises:
        UnfinishedError: something may still become of the order.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None:
            return False
        if order.erased_at is not None:
            return True
        reason = await why_unfinished(tx.session, order, tx.now)
        if reason is not None:
            raise UnfinishedError(reason)
        await clear(tx, [order_id])
        record(tx, order_id, EventType.ERASED, by=by)
        tx.announce(changed=order_id)
        return True


async def clear(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    """Turn orders, whose rows are locked and which are finished, into their tombstones."""
    session = tx.session
    of_orders = select(Event.id).where(Event.order_id.in_(order_ids))
    await session.execute(delete(Delivery).where(Delivery.event_id.in_(of_orders)))
    for table in (Callback, LookUp):
        await session.execute(delete(table).where(table.order_id.in_(order_ids)))
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    for change in (
        update(Event)
        .where(Event.order_id.in_(order_ids))
        .values(data=_kept_of_events(is_sqlite=is_sqlite), shown=null()),
        update(Task).where(Task.order_id.in_(order_ids)).values(name=None, title=None, answer=None),
        update(Site).where(Site.order_id.in_(order_ids)).values(details={}, ssh_password=None, answer=b""),
        update(Placement)
        .where(Placement.order_id.in_(order_ids))
        .values(reasons=null(), traceparent=None, answer=None),
        update(Order)
        .where(Order.id.in_(order_ids))
        .values(
            site_name="",
            location=None,
            plan=None,
            return_url=None,
            progress_url=None,
            client_metadata={},
            cloudpress_answer=None,
            payment_url=None,
            error_detail=None,
            error_reasons=null(),
            resolution=None,
            missing_known_since=null(),
            gone_known_since=null(),
            cancel_unanswered=null(),
            mixed_up=null(),
            silent_known_since=null(),
            cancel_refusal=None,
            traceparent=None,
            updated_at=tx.now,
            erased_at=tx.now,
            **({} if is_sqlite else {"idempotency_key": _digested_by_postgresql()}),
        ),
    ):
        await session.execute(change.execution_options(synchronize_session=False))
    await _forget_orphans(session, order_ids)
    if is_sqlite:
        await _digest_keys(session, order_ids)


async def _forget_orphans(session: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Take the names from what was found to be lost and is one of the orders, or was taken for one."""
    of_orders = Order.id.in_(order_ids), Order.account_id == Orphan.account_id
    held = exists().where(*of_orders, Order.cloudpress_order_id == Orphan.cloudpress_order_id)
    sent = exists().where(
        *of_orders,
        Placement.order_id == Order.id,
        Placement.cloudpress_order_id == Orphan.cloudpress_order_id,
    )
    settled = select(Order.account_id, Order.settled_duplicates).where(
        Order.id.in_(order_ids), Order.settled_duplicates.is_not(None)
    )
    doubles = [
        and_(Orphan.account_id == account_id, Orphan.cloudpress_order_id.in_(ids or ()))
        for account_id, ids in await session.execute(settled)
    ]
    nameless = update(Orphan).where(or_(held, sent, *doubles)).values(site_name=None)
    await session.execute(nameless.execution_options(synchronize_session=False))


def _kept_of_events(*, is_sqlite: bool) -> ColumnElement[object]:
    """Return what stays of an event's data, in SQL: a million orders have ten million events."""
    if is_sqlite:
        each = func.json_each(Event.data).table_valued("key", "value")
        kept = select(func.json_group_object(each.c.key, each.c.value))
        return kept.where(each.c.key.in_(KEPT_OF_EVENTS)).scalar_subquery()
    pair = func.jsonb_each(Event.data).table_valued("key", "value")
    collected = func.jsonb_object_agg(pair.c.key, pair.c.value)
    kept = select(func.coalesce(collected, cast(literal("{}"), JSONB)))
    return kept.where(pair.c.key.in_(KEPT_OF_EVENTS)).scalar_subquery()


def _digested_by_postgresql() -> ColumnElement[str]:
    """Return what `digested` does, in SQL: a second update of a row writes all its indexes a second time.

    Where an erased order has the digest already, which stands for the key, there is nothing.
    """
    key, other = Order.idempotency_key, aliased(Order)
    digest = literal(DIGESTED) + func.encode(func.sha256(func.convert_to(key, "UTF8")), "hex")
    same = other.idempotency_identity == Order.idempotency_identity, other.idempotency_key == digest
    is_taken = exists().where(*same).correlate(Order)
    return case((key.startswith(DIGESTED), key), (is_taken, null()), else_=digest)


async def _digest_keys(session: AsyncSession, order_ids: Sequence[UUID]) -> None:
    """Do on SQLite, which knows no SHA-256, as `_digested_by_postgresql` does."""
    keyed = select(Order.id, Order.idempotency_identity, Order.idempotency_key).where(Order.id.in_(order_ids))
    keys = {
        order_id: (identity, key)
        for order_id, identity, key in (await session.execute(keyed)).all()
        if key is not None and not key.startswith(DIGESTED)
    }
    taken = await erased_keys(session, keys.values())
    digests = [
        {"id": order_id, "idempotency_key": None if key in taken else digested(key[1])}
        for order_id, key in keys.items()
    ]
    if digests:
        # One statement for all, by their primary keys.
        await session.execute(update(Order).execution_options(synchronize_session=None), digests)
