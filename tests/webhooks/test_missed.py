"""What a webhook has missed is found to the last, and made up for once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.events import reading
from app.webhooks.redelivering import redeliver_since
from tests.harness import Sandbox, run_presshook
from tests.hooks import complete, deliveries, hook
from tests.receiver import LOCAL_NETWORKS, Receiver


async def test_what_two_ask_for_at_once_is_sent_once(
    database_url: str, sandbox: Sandbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 2)
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as presshook:
        made = await hook(presshook, receiver, event_types=["order.completed"])
        path = f"/v1/webhooks/{made['id']}"
        await presshook.client.patch(path, json={"enabled": False})
        missed = [await complete(presshook, name) for name in ("One", "Two", "Three")]
        await presshook.client.patch(path, json={"enabled": True})
        since = datetime.now(UTC) - timedelta(hours=1)
        asked = (redeliver_since(presshook.service.db, UUID(made["id"]), since) for _ in range(4))
        assert sum(await asyncio.gather(*asked)) == len(missed)
        assert len(await deliveries(presshook, made["id"])) == len(missed)
