"""Deliveries that are asked for again, and those of events that were missed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, update

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Delivery, Event, Webhook
from app.db.transactions import Transaction
from app.db.unindexed import none_of
from app.events.reading import ACCOUNT, end_of_window
from app.webhooks.outbox import new_delivery

BATCH = 500


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
        tx.session.add_all(new_delivery(tx, webhook_id, event_id) for event_id in found)
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
