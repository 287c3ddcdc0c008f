"""A webhook that is enabled is told of all that happens, also where somebody is about to remove it."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.db.database import Database
from app.db.models import Delivery, Webhook
from app.db.url import async_database_url
from app.events.timeline import Actor
from app.secrets import Encryption
from app.webhooks import registry
from app.webhooks.outbox import enqueue_test
from app.webhooks.registry import NewWebhook, change_webhook, make_webhook, remove_webhook
from tests.harness import eventually, waiting_for_locks
from tests.settings import SECRET_KEY

OPERATOR = Actor("somebody")


@pytest.fixture
def enabled_again(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Have somebody enable a webhook in the moment after it was disabled to be removed; return which."""
    silence = registry._silence
    enabled: list[UUID] = []

    async def silence_and_be_overtaken(db: Database, webhook_id: UUID) -> None:
        await silence(db, webhook_id)
        if not enabled:
            enabled.append(webhook_id)
            await change_webhook(db, webhook_id, {"is_enabled": True}, by=OPERATOR)

    monkeypatch.setattr(registry, "_silence", silence_and_be_overtaken)
    return enabled


async def test_a_webhook_that_is_enabled_in_the_midst_of_its_removal_is_disabled_again(
    postgres_url: str, enabled_again: list[UUID]
) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    made = await make_webhook(db, NewWebhook("https://shop.example.com/"), by=OPERATOR)
    delivery = await enqueue_test(db, made.stored.id)
    assert delivery is not None
    async with db.write() as tx:
        await tx.session.execute(update(Delivery).values(status="delivered", due_at=None))
    async with db.write() as tx:
        # Somebody holds one of its deliveries, which nobody gives up any more: its removal waits for it.
        await tx.session.get_one(Delivery, delivery.id, with_for_update=True)
        removing = asyncio.create_task(remove_webhook(db, made.stored.id, by=OPERATOR))
        await eventually(lambda: waiting_for_locks(db), lambda count: count > 0)
        async with db.read() as session:
            is_enabled = await session.scalar(select(Webhook.is_enabled))
    assert await removing
    assert (enabled_again, is_enabled) == ([made.stored.id], False)
    await db.dispose()


async def test_whoever_removes_a_webhook_removes_it_whatever_it_is(
    database_url: str, enabled_again: list[UUID]
) -> None:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    for is_enabled in (True, False):
        new = NewWebhook("https://shop.example.com/", is_enabled=is_enabled)
        made = await make_webhook(db, new, by=OPERATOR)
        await enqueue_test(db, made.stored.id)
        assert await remove_webhook(db, made.stored.id, by=OPERATOR)
        assert not await remove_webhook(db, made.stored.id, by=OPERATOR)
        for table in (Webhook, Delivery):
            async with db.read() as session:
                assert await session.scalar(select(func.count()).select_from(table)) == 0
    assert len(enabled_again) == 1
    await db.dispose()


async def test_none_is_tested_that_is_being_removed(postgres_url: str) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    made = await make_webhook(db, NewWebhook("https://shop.example.com/"), by=OPERATOR)
    async with db.write() as tx:
        await tx.session.delete(await tx.session.get_one(Webhook, made.stored.id))
        await tx.session.flush()
        testing = asyncio.create_task(enqueue_test(db, made.stored.id))
        await eventually(lambda: waiting_for_locks(db), lambda count: count > 0)
    assert await testing is None
    await db.dispose()
