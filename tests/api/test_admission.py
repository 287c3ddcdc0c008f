"""What a key has open ends with the key: at once, at any replica, and before anything more is told."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.db.database import Database
from app.db.url import async_database_url
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.keys.changing import MadeKey, make_key, revoke_key, rotate_key
from app.keys.grants import NewKey, Scope
from app.secrets import Encryption
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.settings import SECRET_KEY
from tests.sse import stream

ACTOR = Actor("the test")
End = Callable[[Database, UUID], Awaitable[Any]]
ENDS: list[End] = [
    partial(revoke_key, by=ACTOR),
    partial(rotate_key, grace_seconds=0, by=ACTOR),
]
BY = pytest.mark.parametrize("end", ENDS, ids=["revoked", "rotated"])
AT = pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "at another replica"])


async def make(presshook: Presshook, **more: Any) -> MadeKey:
    scopes = (Scope.ORDERS_READ, Scope.ORDERS_WRITE)
    return await make_key(presshook.service.db, NewKey("shop", scopes, **more), by=ACTOR)


def client_of(presshook: Presshook, made: MadeKey) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=presshook.url, headers={"Authorization": f"Bearer {made.key}"}, timeout=60
    )


async def subscriptions(presshook: Presshook) -> int:
    return len(presshook.service.feed._subscriptions)


async def watched(presshook: Presshook) -> set[UUID]:
    return set(presshook.service.signals._watchers)


@BY
@AT
async def test_a_stream_tells_nothing_that_happened_after_its_key_had_ended(
    database_url: str, sandbox: Sandbox, end: End, *, elsewhere: bool
) -> None:
    other = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    # No heartbeat comes while the test runs: what ends the stream is the key.
    async with run_presshook(database_url, sandbox.url, heartbeat_seconds=600) as presshook:
        made = await make(presshook)
        database = other if elsewhere else presshook.service.db
        async with client_of(presshook, made) as client, stream(client, "/v1/events") as opened:
            await eventually(lambda: subscriptions(presshook), lambda count: count == 1)
            async with database.write() as tx:
                record(tx, None, EventType.SERVICE_RESTORED)
            await end(database, made.stored.id)
            async with database.write() as tx:
                record(tx, None, EventType.SERVICE_RESTORED)
            async with asyncio.timeout(20):
                told = [each.type async for each in opened]
        assert told.count("service.restored") <= 1
    await other.dispose()


@BY
@AT
async def test_a_waiting_read_ends_with_its_key(
    database_url: str, sandbox: Sandbox, end: End, *, elsewhere: bool
) -> None:
    other = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    async with run_presshook(database_url, sandbox.url) as presshook:
        made = await make(presshook)
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        async with client_of(presshook, made) as client:
            waiting = asyncio.create_task(client.get(f"/v1/orders/{order_id}", params={"wait": 30}))
            await eventually(lambda: watched(presshook), lambda ids: made.stored.id in ids)
            await end(other if elsewhere else presshook.service.db, made.stored.id)
            async with asyncio.timeout(20):
                answer = await waiting
        assert answer.status_code == 401
        assert order_id not in answer.text
    await other.dispose()


async def test_what_was_done_by_a_key_is_answered_although_it_ended_meanwhile(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, placing="off") as presshook:
        made = await make(presshook)
        body = {"site": {"name": "Order", "variant": "vanilla"}}
        async with client_of(presshook, made) as client:
            placing = asyncio.create_task(client.post("/v1/orders", json=body, headers={"Prefer": "wait=30"}))
            await eventually(lambda: watched(presshook), lambda ids: made.stored.id in ids)
            await revoke_key(presshook.service.db, made.stored.id, by=ACTOR)
            async with asyncio.timeout(20):
                answer = await placing
        assert answer.status_code == 202, "a 401 would have its client believe that nothing was ordered"
        assert await presshook.count_orders() == 1


async def test_a_key_that_expires_ends_what_it_has_open(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, heartbeat_seconds=0.2) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        made = await make(presshook, expires_at=datetime.now(UTC) + timedelta(seconds=2))
        async with client_of(presshook, made) as client, stream(client, "/v1/events") as opened:
            waiting = asyncio.create_task(client.get(f"/v1/orders/{order_id}", params={"wait": 30}))
            async with asyncio.timeout(20):
                assert (await waiting).status_code == 401
                assert [each async for each in opened] == []


async def test_a_former_key_ends_with_its_grace(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        made = await make(presshook)
        await rotate_key(presshook.service.db, made.stored.id, grace_seconds=2, by=ACTOR)
        async with client_of(presshook, made) as client, asyncio.timeout(20):
            answer = await client.get(f"/v1/orders/{order_id}", params={"wait": 30})
        assert answer.status_code == 401


@BY
async def test_a_key_that_ends_while_its_stream_is_opened_opens_none(
    database_url: str, sandbox: Sandbox, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_presshook(database_url, sandbox.url, heartbeat_seconds=600) as presshook:
        made = await make(presshook)
        feed = presshook.service.feed
        subscribe = feed.subscribe

        def late(*arguments: Any, **options: Any) -> Any:
            """Listen once the key has ended, which was let in before."""

            class Late:
                async def __aenter__(self) -> Any:
                    await end(presshook.service.db, made.stored.id)
                    self.inner = subscribe(*arguments, **options)
                    return await self.inner.__aenter__()

                async def __aexit__(self, *error: Any) -> Any:
                    return await self.inner.__aexit__(*error)

            return Late()

        monkeypatch.setattr(feed, "subscribe", late)
        async with client_of(presshook, made) as client, asyncio.timeout(20):
            answer = await client.get("/v1/events", headers={"Accept": "text/event-stream"})
        assert answer.status_code == 401
