"""Deliveries as they are stored: made in the transaction of their event, listed, asked for again."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from uuid_utils.compat import uuid7

from app.db.account_bounds import is_within
from app.db.database import Database, Transaction
from app.db.errors import repeated
from app.db.models import Delivery, DeliveryAttempt, Event, Webhook
from app.db.notice import NewEvent
from app.db.several import among
from app.db.unindexed import none_of
from app.events.reading import ACCOUNT, end_of_window

BATCH = 500


def enqueue(tx: Transaction, event: NewEvent, account_id: str | None) -> None:
    """Have a delivery made of an event of this transaction for every webhook that wants it.

    `account_id` is that of the event's order. What concerns no order is for whoever runs the service: it is
    told to those alone that name its type and may see every account.

    Who wants it is read when the event has its number: a webhook that was made meanwhile is told of all that
    has a higher number than its making, however long ago the event's transaction began.
    """
    tx.deliver(event, account_id, by=_deliver)


async def _deliver(tx: Transaction, told: Sequence[tuple[NewEvent, str | None]]) -> None:
    """Add the deliveries of all events of a transaction."""
    types = sorted({str(event.type) for event, _ in told})
    accounts = sorted({account_id for _, account_id in told if account_id is not None})
    # Locked against being removed meanwhile, which would undo the events' transaction. One that is being
    # removed is passed over, since nothing may be waited for here.
    of_any = _WANTING_SQLITE if tx.session.get_bind().dialect.name == "sqlite" else _WANTING
    rows = (await tx.session.execute(of_any, {"types": types, "accounts": accounts})).all()
    if not rows:
        return
    await tx.number_events()
    tx.session.add_all(
        _new(tx, webhook_id, event.id)
        for event, account_id in told
        for webhook_id, event_types, account_ids in rows
        if _wants(event.type, account_id, event_types, account_ids)
    )


def _wants(
    kind: str, account_id: str | None, event_types: list[str] | None, account_ids: list[str] | None
) -> bool:
    if account_id is None:
        return account_ids is None and event_types is not None and kind in event_types
    return (event_types is None or kind in event_types) and (account_ids is None or account_id in account_ids)


def _wanting(
    holds: Callable[[InstrumentedAttribute[list[str] | None], str], ColumnElement[bool]],
) -> Select[UUID, list[str] | None, list[str] | None]:
    """Return the statement that finds and locks who may want one of several events."""
    return (
        select(Webhook.id, Webhook.event_types, Webhook.account_ids)
        .where(
            Webhook.is_enabled,
            or_(Webhook.event_types.is_(None), holds(Webhook.event_types, "types")),
            or_(Webhook.account_ids.is_(None), holds(Webhook.account_ids, "accounts")),
        )
        .order_by(Webhook.id)
        .with_for_update(read=True, key_share=True, skip_locked=True)
    )


def _each_of(column: InstrumentedAttribute[list[str] | None], name: str) -> ColumnElement[bool]:
    each = func.json_each(column).table_valued("value")
    return exists().select_from(each).where(among(each.c.value, name))


_WANTING = _wanting(lambda column, name: cast(column, JSONB).has_any(bindparam(name, type_=ARRAY(Text()))))
_WANTING_SQLITE = _wanting(_each_of)


def _new(tx: Transaction, webhook_id: UUID, event_id: int | None) -> Delivery:
    tx.announce(due=Delivery)
    return Delivery(
        id=uuid7(),
        webhook_id=webhook_id,
        event_id=event_id,
        status="pending",
        due_at=tx.now,
        created_at=tx.now,
    )


@repeated
async def enqueue_test(db: Database, webhook_id: UUID) -> Delivery | None:
    """Make a delivery that no event has caused; None if there is no such webhook."""
    async with db.write() as tx:
        # Locked as by what refers to it, so that one that is being removed is waited for, and gone.
        lock = {"read": True, "key_share": True}
        if await tx.session.get(Webhook, webhook_id, with_for_update=lock) is None:
            return None
        delivery = _new(tx, webhook_id, None)
        delivery.event = None
        tx.session.add(delivery)
        return delivery


async def find_deliveries(
    session: AsyncSession, webhook_id: UUID, *, before: UUID | None, status: str | None, limit: int
) -> Sequence[Delivery]:
    """Return a webhook's deliveries, with their events, the newest first."""
    found = select(Delivery).where(Delivery.webhook_id == webhook_id).order_by(Delivery.id.desc())
    if before is not None:
        found = found.where(Delivery.id < before)
    if status is not None:
        found = found.where(Delivery.status == status)
    return (await session.scalars(found.limit(limit))).all()


async def find_deliveries_of(
    session: AsyncSession, event_ids: Sequence[int], *, account_ids: Collection[str] | None
) -> list[tuple[Delivery, str]]:
    """Return the deliveries of events, each with its address, to webhooks of no more than these accounts."""
    found = (
        select(Delivery, Webhook.url, Webhook.account_ids)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .where(Delivery.event_id.in_(event_ids))
        .order_by(Delivery.id)
    )
    return [
        (delivery, url)
        for delivery, url, told in await session.execute(found)
        if is_within(told, account_ids)
    ]


async def find_delivery(session: AsyncSession, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
    """Return a delivery of a webhook."""
    found = select(Delivery).where(Delivery.webhook_id == webhook_id, Delivery.id == delivery_id)
    return (await session.scalars(found)).one_or_none()


async def find_attempts(session: AsyncSession, delivery_id: UUID, *, limit: int) -> Sequence[DeliveryAttempt]:
    """Return the last attempts of a delivery, the newest first."""
    found = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id == delivery_id)
    return (await session.scalars(found.order_by(DeliveryAttempt.number.desc()).limit(limit))).all()


class WebhookDisabledError(Exception):
    """Nothing can be sent to a webhook that is disabled."""


@repeated
async def redeliver(db: Database, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
    """Have a delivery sent again, whatever became of it; None if there is none.

    Raises:
        WebhookDisabledError: the webhook is disabled.
    """
    async with db.write() as tx:
        await _require_enabled(tx, webhook_id)
        found = select(Delivery).where(Delivery.webhook_id == webhook_id, Delivery.id == delivery_id)
        delivery = (await tx.session.scalars(found.with_for_update(of=Delivery))).one_or_none()
        if delivery is None:
            return None
        delivery.status = "pending"
        delivery.failures = 0
        delivery.wakes += 1
        delivery.due_at = delivery.scheduled_at = tx.now
        tx.announce(due=Delivery)
        return delivery


async def redeliver_since(db: Database, webhook_id: UUID, since: datetime) -> int:
    """Have all sent that failed, or was never due to be sent, of the events since a time. Returns how many.

    What was never due happened while the webhook was disabled; nothing is from before it was made. Each batch
    is a transaction of its own: where there are very many, nobody waits long for the webhook's row.

    Raises:
        WebhookDisabledError: the webhook is disabled, or was while this went on.
    """
    count = 0
    failed: Sequence[UUID] = ()
    while len(batch := await _redeliver_failed(db, webhook_id, since, failed[-1] if failed else None)) > 0:
        failed = batch
        count += len(batch)
    # Through all that ever happened, by reads that hold up nobody: a clock that once stepped back would hide
    # from a search by time what came before its step.
    following: int | None = 0
    while following is not None:
        missed, following = await _find_missed(db, webhook_id, since, following)
        count += await _deliver_missed(db, webhook_id, since, missed) if missed else 0
    return count


@repeated
async def _redeliver_failed(
    db: Database, webhook_id: UUID, since: datetime, after: UUID | None
) -> Sequence[UUID]:
    """Have a batch of those that failed sent again, and return their ids in order."""
    async with db.write() as tx:
        webhook = await _require_enabled(tx, webhook_id)
        if webhook is None:
            return ()
        failed = select(Delivery.id).where(
            Delivery.webhook_id == webhook_id,
            Delivery.status == "failed",
            # None is from before the webhook was made, though a clock that stepped back may say so.
            Delivery.created_at >= since,
        )
        if after is not None:
            failed = failed.where(Delivery.id > after)
        ids = (await tx.session.scalars(failed.order_by(Delivery.id).limit(BATCH).with_for_update())).all()
        if ids:
            again = update(Delivery).where(Delivery.id.in_(ids))
            again = again.values(
                status="pending",
                failures=0,
                wakes=Delivery.wakes + 1,
                due_at=tx.now,
                scheduled_at=tx.now,
            )
            await tx.session.execute(again.execution_options(synchronize_session=False))
            tx.announce(due=Delivery)
        return ids


async def _find_missed(
    db: Database, webhook_id: UUID, since: datetime, after: int
) -> tuple[Sequence[int], int | None]:
    """Return a batch of a window's events that have no delivery, and after which number to go on."""
    async with db.read() as session:
        webhook = await session.get(Webhook, webhook_id)
        if webhook is None:
            return (), None
        end = await end_of_window(session, after)
        missed = _missed(webhook, since).where(Event.id > after)
        if end is not None:
            missed = missed.where(Event.id <= end)
        found = (await session.scalars(missed.limit(BATCH))).all()
    return found, found[-1] if len(found) == BATCH else end


@repeated
async def _deliver_missed(db: Database, webhook_id: UUID, since: datetime, event_ids: Sequence[int]) -> int:
    """Make deliveries of events that have none, and return how many were made."""
    async with db.write() as tx:
        webhook = await _require_enabled(tx, webhook_id)
        if webhook is None:
            return 0
        # Once more, now that nobody else asks for the same: they may have been made, or pruned, meanwhile.
        missed = _missed(webhook, since).where(Event.id.in_(event_ids))
        found = (await tx.session.scalars(missed)).all()
        tx.session.add_all(_new(tx, webhook_id, event_id) for event_id in found)
        return len(found)


def _missed(webhook: Webhook, since: datetime) -> Select[int]:
    """Return the statement that finds the events since a time that a webhook wants and has no delivery of."""
    missed = (
        select(Event.id)
        .where(
            Event.at >= max(since, webhook.created_at),
            Event.shown.is_not(None),
            none_of(Event, Delivery.webhook_id == webhook.id, Delivery.event_id == Event.id),
        )
        .order_by(Event.id)
    )
    if webhook.event_types is not None:
        missed = missed.where(Event.type.in_(webhook.event_types))
    if webhook.account_ids is not None:
        missed = missed.where(ACCOUNT.in_(webhook.account_ids))
    return missed


async def _require_enabled(tx: Transaction, webhook_id: UUID) -> Webhook | None:
    # Locked, so that it is not disabled meanwhile, which would leave what is made due here for ever.
    webhook = await tx.session.get(Webhook, webhook_id, with_for_update={"key_share": True})
    if webhook is not None and not webhook.is_enabled:
        raise WebhookDisabledError
    return webhook
