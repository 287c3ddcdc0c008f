"""Webhooks as they are stored: made, changed, rotated, disabled, removed. The database only."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from uuid_utils.compat import uuid7

from app.db.account_bounds import is_within, most_of_one
from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Delivery, Webhook
from app.db.paging import newest
from app.db.transactions import Transaction
from app.events.timeline import Actor, record
from app.events.types import EventType, ToldEvent
from app.webhooks.outbox import enqueue
from app.webhooks.signing import new_secret

MOST_WEBHOOKS = 100
"""So many may be told of the same account: each event of theirs is written down once more for each."""
# Who makes deliveries of an event need not wait for it, and so holds up no order.
LOCK = {"key_share": True}


class TooManyWebhooksError(Exception):
    """There are as many webhooks as there may be for one of these accounts."""


class UnheardEventsError(Exception):
    """A webhook for some accounts names what only one for every account hears; the text says what."""


class RotationUnderWayError(Exception):
    """A secret was replaced a while ago and is to be again, while the one before it has to go on."""

    def __init__(self, until: datetime) -> None:
        """Say until when, and what to do."""
        after = until + timedelta(seconds=1)  # it is told in whole ones
        super().__init__(
            f"The secret was replaced before, and the one it had then goes on signing until "
            f"{after:%Y-%m-%dT%H:%M:%SZ}, as was promised: wait until then, or rotate with a grace of 0, "
            "which ends all former ones at once."
        )


@dataclass(frozen=True)
class NewWebhook:
    """What a webhook is made of. None means every type, every account."""

    url: str
    event_types: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None
    description: str | None = None
    is_enabled: bool = True


@dataclass(frozen=True)
class MadeWebhook:
    """A stored webhook, and its secret, which is told this once."""

    stored: Webhook
    secret: str

    def __repr__(self) -> str:
        """Tell nothing of the secret."""
        return f"MadeWebhook({self.stored.id})"


@repeated
async def make_webhook(db: Database, new: NewWebhook, *, by: Actor) -> MadeWebhook:
    """Store a webhook. Only what happens from now on is delivered to it.

    `by` is who does, as the service's timeline tells it; so it is for all that is done to a webhook.

    Raises:
        TooManyWebhooksError: there are as many as there may be for one of these accounts.
        UnheardEventsError: it names events that it would never hear of.
    """
    _require_heard(new.event_types, new.account_ids)
    secret = new_secret()
    async with db.write() as tx:
        if await _count_for(tx.session, new.account_ids) >= MOST_WEBHOOKS:
            raise TooManyWebhooksError
        stored = Webhook(
            id=uuid7(),
            url=new.url,
            description=new.description,
            event_types=_sorted(new.event_types),
            account_ids=_sorted(new.account_ids),
            is_enabled=new.is_enabled,
            secret=secret.encode(),
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(stored)
        record(tx, None, EventType.WEBHOOK_CREATED, webhook=str(stored.id), by=by)
        return MadeWebhook(stored, secret)


def _sorted(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else sorted({str(value) for value in values})


def heard(account_ids: Collection[str] | None) -> list[ToldEvent]:
    """Return the events that a webhook for these accounts may hear of; None is every account."""
    return [kind for kind in ToldEvent if account_ids is None or kind.concerns_an_order]


def _require_heard(event_types: Iterable[str] | None, account_ids: Collection[str] | None) -> None:
    unheard = sorted({*(event_types or ())} - {*heard(account_ids)})
    if unheard:
        raise UnheardEventsError(f"only a webhook for every account hears of {', '.join(unheard)}")


async def _count_for(session: AsyncSession, account_ids: tuple[str, ...] | None) -> int:
    """Return how many webhooks are told of the one of these accounts of which the most are told."""
    return most_of_one(await session.scalars(select(Webhook.account_ids)), account_ids)


async def find_webhooks(
    session: AsyncSession, *, account_ids: Collection[str] | None, before: UUID | None, limit: int
) -> tuple[Webhook, ...]:
    """Return up to `limit` webhooks that are told of no more than these accounts, the newest first.

    `before` is the last of the page before. None stands for every account.
    """
    return await newest(
        session,
        select(Webhook),
        Webhook.id,
        shown=lambda webhook: is_within(webhook.account_ids, account_ids),
        before=before,
        limit=limit,
    )


async def find_webhook(session: AsyncSession, webhook_id: UUID) -> Webhook | None:
    """Return a webhook, None if there is none with that id."""
    return await session.get(Webhook, webhook_id)


@repeated
async def change_webhook(
    db: Database, webhook_id: UUID, changes: dict[str, Any], *, by: Actor
) -> Webhook | None:
    """Change columns of a webhook; None if there is none with that id.

    A webhook that is enabled again starts anew; one that is disabled keeps what was not delivered as failed.

    Raises:
        UnheardEventsError: it is to name events that it would never hear of.
    """
    if "event_types" in changes:
        changes = {**changes, "event_types": _sorted(changes["event_types"])}
    async with db.write() as tx:
        webhook = await tx.session.get(Webhook, webhook_id, with_for_update=LOCK)
        if webhook is None:
            return None
        _require_heard(changes.get("event_types"), webhook.account_ids)
        was_enabled = webhook.is_enabled
        for name, value in changes.items():
            setattr(webhook, name, value)
        webhook.updated_at = tx.now
        if webhook.is_enabled and not was_enabled:
            webhook.disabled_reason = webhook.failing_since = None
        if was_enabled and not webhook.is_enabled:
            await _give_up_pending(tx, webhook_id)
        record(tx, None, EventType.WEBHOOK_CHANGED, webhook=str(webhook_id), by=by)
        return webhook


@repeated
async def rotate_secret(
    db: Database, webhook_id: UUID, *, grace_seconds: float, by: Actor
) -> MadeWebhook | None:
    """Give a webhook a new secret; for `grace_seconds` the one before it signs as well.

    Raises:
        RotationUnderWayError: another grace still runs, and only one secret before it can be kept.
    """
    secret = new_secret()
    async with db.write() as tx:
        webhook = await tx.session.get(
            Webhook, webhook_id, with_for_update=LOCK, options=[undefer(Webhook.secret)]
        )
        if webhook is None:
            return None
        if grace_seconds > 0 and webhook.former_until is not None and webhook.former_until > tx.now:
            raise RotationUnderWayError(webhook.former_until)
        webhook.former_secret = webhook.secret if grace_seconds > 0 else None
        webhook.former_until = tx.now + timedelta(seconds=grace_seconds) if grace_seconds > 0 else None
        webhook.secret = secret.encode()
        webhook.updated_at = tx.now
        record(tx, None, EventType.WEBHOOK_ROTATED, webhook=str(webhook_id), by=by)
        return MadeWebhook(webhook, secret)


def secrets_of(webhook: Webhook, now: datetime) -> list[str]:
    """Return the secrets that sign now, the present one first. Both columns must have been loaded."""
    present = [webhook.secret.decode()]
    if webhook.former_secret is not None and webhook.former_until is not None and now < webhook.former_until:
        present.append(webhook.former_secret.decode())
    return present


async def remove_webhook(db: Database, webhook_id: UUID, *, by: Actor) -> bool:
    """Remove a webhook and its deliveries; return False if there is none with that id.

    It is disabled first: what happens while it is being removed passes it over, and a removal that fails
    must leave no webhook that seems to be told of everything.
    """
    while (is_removed := await _remove(db, webhook_id, by)) is None:
        await _silence(db, webhook_id)
    return is_removed


@repeated
async def _silence(db: Database, webhook_id: UUID) -> None:
    async with db.write() as tx:
        webhook = await tx.session.get(Webhook, webhook_id, with_for_update=LOCK)
        if webhook is not None and webhook.is_enabled:
            webhook.is_enabled = False
            webhook.updated_at = tx.now
            await _give_up_pending(tx, webhook_id)


@repeated
async def _remove(db: Database, webhook_id: UUID, by: Actor) -> bool | None:
    """Remove a webhook that is disabled; return None if it is enabled, False if there is none."""
    async with db.write() as tx:
        # Nobody enables it from here on, and as long as it is enabled nobody passes it over because of this.
        webhook = await tx.session.get(Webhook, webhook_id, with_for_update=LOCK)
        if webhook is None:
            return False
        if webhook.is_enabled:
            return None
        await tx.session.delete(webhook)
        record(tx, None, EventType.WEBHOOK_REMOVED, webhook=str(webhook_id), by=by)
        return True


async def disable(tx: Transaction, webhook: Webhook, reason: str) -> None:
    """Disable a webhook whose row is locked, and say so in an event."""
    webhook.is_enabled = False
    webhook.disabled_reason = reason
    webhook.updated_at = tx.now
    # With the accounts, so that a key of those alone sees it too. (`app/events.py`)
    event = record(
        tx,
        None,
        EventType.WEBHOOK_DISABLED,
        webhook=str(webhook.id),
        reason=reason,
        account_ids=webhook.account_ids,
    )
    enqueue(tx, event, None)
    await _give_up_pending(tx, webhook.id)


async def _give_up_pending(tx: Transaction, webhook_id: UUID) -> None:
    """Have nothing more sent. What is under way is told so when it ends; all of it can be redelivered."""
    pending = update(Delivery).where(
        Delivery.webhook_id == webhook_id, Delivery.status == "pending", Delivery.lease_token.is_(None)
    )
    await tx.session.execute(
        pending.values(status="failed", due_at=None, error="The webhook was disabled.").execution_options(
            synchronize_session=False
        )
    )
