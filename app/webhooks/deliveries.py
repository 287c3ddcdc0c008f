"""Deliveries as they are stored, found for whoever looks at them."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.account_bounds import is_within
from app.db.models import Delivery, DeliveryAttempt, Webhook


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
