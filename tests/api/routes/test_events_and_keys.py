"""What an API key is told, and for how long."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from app.db.models import ApiKey, Order, Pruning
from app.main import Service
from tests.api.conftest import client_of
from tests.harness import Sandbox, run_presshook
from tests.settings import API_KEY, make_settings


async def test_another_accounts_order_cannot_be_told_from_none(database_url: str, sandbox: Sandbox) -> None:
    """Anything of another account does not exist for a key (decision 0006): also once it is pruned."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = (await presshook.order("Another's", wait=0)).json()["id"]
        made = await presshook.client.post(
            "/v1/keys", json={"name": "tenant", "scopes": ["orders:read"], "account_ids": ["mine"]}
        )
        async with presshook.service.db.write() as tx:
            await tx.session.execute(
                update(Order).where(Order.id == UUID(order_id)).values(stripped_at=tx.now)
            )
            await tx.session.execute(update(Pruning).values(events_gone_through=1))
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        seen = []
        for asked in (order_id, "01a2241d-5b7b-7332-b183-4d795dae9542"):
            answer = await presshook.client.get("/v1/events", params={"order_id": asked}, headers=headers)
            seen.append(answer.status_code)
        assert seen[0] == seen[1]


async def test_a_stream_ends_when_its_key_expires(database_url: str, sandbox: Sandbox) -> None:
    """What a key has open ends with it at once (README, "Keys and accounts")."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        ends = datetime.now(UTC) + timedelta(seconds=2)
        made = await presshook.client.post(
            "/v1/keys", json={"name": "short", "scopes": ["orders:read"], "expires_at": ends.isoformat()}
        )
        headers = {"Authorization": f"Bearer {made.json()['key']}", "Accept": "text/event-stream"}

        async def read() -> None:
            async with presshook.client.stream("GET", "/v1/events", headers=headers) as answer:
                assert answer.status_code == 200
                try:
                    async for _ in answer.aiter_raw():
                        pass
                except httpx.HTTPError:
                    pass

        await asyncio.wait_for(read(), 7)


async def test_a_metadata_name_that_is_no_text_is_named_by_its_field(
    database_url: str, sandbox: Sandbox
) -> None:
    """Bad input gets an error that names the field."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        body = b'{"site": {"name": "a", "variant": "vanilla"}, "metadata": {"\\ud800": "x"}}'
        answer = await presshook.client.post(
            "/v1/orders", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert [each["field"] for each in json.loads(answer.text)["errors"]] == ["metadata"]


@pytest.mark.parametrize("grace_seconds", [0, 60])
async def test_an_expired_key_is_not_replaced_by_one_that_is_not_let_in(
    database_url: str, grace_seconds: int
) -> None:
    """Who replaces a key gets one that works, or is told why there is none."""
    service = Service(make_settings(database_url))
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        client_of(service, Authorization=f"Bearer {API_KEY}") as client,
    ):
        made = await client.post("/v1/keys", json={"name": "shop", "scopes": ["orders:read"]})
        async with service.db.write() as tx:
            await tx.session.execute(update(ApiKey).values(expires_at=tx.now - timedelta(seconds=1)))
        path = f"/v1/keys/{made.json()['id']}/rotate"
        rotated = await client.post(path, json={"grace_seconds": grace_seconds})
        if rotated.status_code == 200:
            headers = {"Authorization": f"Bearer {rotated.json()['key']}"}
            assert (await client.get("/v1/orders", headers=headers)).status_code == 200
