"""What is rare among all that happened is found to the last, however few events are looked at in one read."""

from itertools import chain
from typing import Any

import httpx
import pytest

from app.api.routes import events as pages
from app.events import reading
from tests.harness import Presshook, Sandbox, run_presshook
from tests.settings import CLOUDPRESS_ACCOUNT
from tests.sse import stream


@pytest.fixture(autouse=True)
def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two windows of two events looked through for a page."""
    monkeypatch.setattr(reading, "WINDOW", 2)
    monkeypatch.setattr(pages, "WINDOWS", 2)


async def lived(presshook: Presshook) -> list[dict[str, Any]]:
    """Have two orders completed, and return all that happened."""
    for name in ("One", "Two"):
        await presshook.until((await presshook.order(name)).json()["id"], "completed")
    answer = await presshook.client.get("/v1/events?limit=100")
    assert answer.json()["next_cursor"] is None
    happened: list[dict[str, Any]] = answer.json()["data"]
    return happened


async def follow(client: httpx.AsyncClient, key: str | None = None, **params: Any) -> list[list[int]]:
    """Follow a list of events to its end, and return the numbers on each page."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    found: list[list[int]] = []
    cursor = "0"
    while True:
        answer = await client.get("/v1/events", params={**params, "cursor": cursor}, headers=headers)
        page = answer.json()
        found.append([each["id"] for each in page["data"]])
        if page["next_cursor"] is None:
            return found
        assert int(page["next_cursor"]) > int(cursor)
        cursor = page["next_cursor"]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_cursors_lead_past_what_is_not_wanted(database_url: str, sandbox: Sandbox, limit: int) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        happened = await lived(presshook)
        found = await follow(presshook.client, limit=limit, type="order.completed")
    wanted = [each["id"] for each in happened if each["type"] == "order.completed"]
    assert (list(chain(*found)), len(wanted)) == (wanted, 2)
    assert [] in found[:-1], "no page was empty and led on"


async def test_a_key_finds_its_accounts_events_among_all_others(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        keys = {}
        for account in (CLOUDPRESS_ACCOUNT, "another"):
            body = {"name": account, "scopes": ["orders:read"], "account_ids": [account]}
            keys[account] = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
        happened = await lived(presshook)
        found = await follow(presshook.client, keys[CLOUDPRESS_ACCOUNT], limit=3)
        none = await follow(presshook.client, keys["another"], limit=3)
    assert {each["id"] for each in happened if each["order_id"]} <= set(chain(*found))
    assert set(chain(*none)) < {each["id"] for each in happened if not each["order_id"]}


async def test_a_stream_tells_what_is_rare_from_the_beginning(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        happened = await lived(presshook)
        async with stream(presshook.client, "/v1/events", after=0, type="order.completed") as opened:
            told = aiter(opened)
            found = [(await anext(told)).id for _ in range(2)]
    assert found == [each["id"] for each in happened if each["type"] == "order.completed"]
