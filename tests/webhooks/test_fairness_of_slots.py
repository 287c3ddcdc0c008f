"""One account's slow applications take no place that another account's needs."""

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.server.embedded import serving
from app.server.listening import listen
from app.webhooks import deliverer
from tests.harness import Sandbox, eventually, run_presshook
from tests.receiver import LOCAL_NETWORKS

# The tenth part of what they are: 256 slots, and at most 100 webhooks for one account.
SLOTS = 24
HOOKS = 10


async def test_slow_applications_of_one_account_hold_up_no_others(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs takes no place that another needs, nor do many of them."""
    monkeypatch.setattr(deliverer, "SLOTS", SLOTS)
    seen: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        await request.body()
        seen.append(request.url.path)
        if request.url.path == "/slow":
            await asyncio.sleep(3)  # within the 15 seconds that it may take
        await Response(status_code=204)(scope, receive, send)

    async with (
        serving(application, listen("127.0.0.1", 0)) as url,
        run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as presshook,
    ):
        client = presshook.client
        scopes = ["webhooks:write", "orders:read"]
        made = await client.post(
            "/v1/keys", json={"name": "tenant", "scopes": scopes, "account_ids": ["tenant"]}
        )
        tenant = {"Authorization": f"Bearer {made.json()['key']}"}
        slow = [
            (await client.post("/v1/webhooks", json={"url": f"{url}/slow"}, headers=tenant)).json()["id"]
            for _ in range(HOOKS)
        ]
        other = (await client.post("/v1/webhooks", json={"url": f"{url}/other"})).json()["id"]

        async def test_of(webhook_id: str, headers: dict[str, str] | None = None) -> httpx.Response:
            return await client.post(f"/v1/webhooks/{webhook_id}/test", headers=headers)

        for _ in range(20):
            for webhook_id in slow:
                assert (await test_of(webhook_id, tenant)).status_code == 202
        assert (await test_of(other)).status_code == 202

        async def came() -> bool:
            return "/other" in seen

        await eventually(came, lambda it: it, patience_seconds=8)
