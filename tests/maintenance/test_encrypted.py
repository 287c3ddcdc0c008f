"""Whoever goes through all that is encrypted is in nobody's way."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import select

from app.db.database import Database
from app.db.models import Delivery, Webhook
from app.db.url import async_database_url
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.maintenance.lost_key import forget_undecryptable
from app.maintenance.rekey import rekey
from app.orders.intake import NewOrder, create_order
from app.secrets import Encryption
from app.webhooks.outbox import enqueue
from app.webhooks.registry import LOCK, NewWebhook, make_webhook
from tests.harness import eventually, waiting_for_locks
from tests.settings import SECRET_KEY

NEW_KEY = "another-secret-key-of-the-tests-long-enough"
OPERATOR = Actor("somebody")


async def forget(db: Database) -> object:
    return await forget_undecryptable(db, Encryption([SECRET_KEY]))


async def forget_all(db: Database) -> object:
    cipher = Encryption([NEW_KEY])
    without_the_key = Database(db.url, cipher)
    given_up = await forget_undecryptable(without_the_key, cipher)
    await without_the_key.dispose()
    assert given_up["webhooks.secret"] == 2
    return given_up


@pytest.mark.parametrize("go_through", [rekey, forget, forget_all])
@pytest.mark.parametrize("is_of_an_order", [True, False])
async def test_an_event_is_told_that_is_committed_while_webhooks_are_gone_through(
    postgres_url: str, go_through: Callable[[Database], Coroutine[Any, Any, object]], *, is_of_an_order: bool
) -> None:
    db = Database(async_database_url(postgres_url), Encryption([SECRET_KEY]))
    order = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    kind = EventType.PLACED if is_of_an_order else EventType.WEBHOOK_DISABLED
    new = NewWebhook("https://shop.example.com/", event_types=(kind,))
    ids = [(await make_webhook(db, new, by=OPERATOR)).stored.id for _ in range(2)]
    async with db.write() as tx:
        # Whoever goes through them has locked the first, and waits for the second.
        await tx.session.get_one(Webhook, ids[1], with_for_update=LOCK)
        going = asyncio.create_task(go_through(db))
        await eventually(lambda: waiting_for_locks(db), lambda count: count > 0)
        async with db.write() as other:
            event = record(other, order.id if is_of_an_order else None, kind, shown={"id": "told"})
            enqueue(other, event, order.account_id if is_of_an_order else None)
    await going
    async with db.read() as session:
        told = await session.scalars(select(Delivery.webhook_id).where(Delivery.event_id == event.id))
        assert sorted(told) == sorted(ids)
    await db.dispose()
