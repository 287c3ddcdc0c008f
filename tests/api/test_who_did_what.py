"""Who changed keys, accounts and webhooks: in the service's own events, for those who may see all."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.events.timeline import Actor
from app.keys.changing import MadeKey, make_key
from app.keys.grants import NewKey, Scope
from tests.harness import Presshook, run_presshook, run_sandbox
from tests.settings import CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN

ACCOUNT, TOKEN = "acct-second", "token-of-the-second-account"


@pytest.fixture
async def presshook(database_url: str) -> AsyncIterator[Presshook]:
    """A service beside a sandbox of two accounts, whose deliveries stay where they are."""
    accounts = {CLOUDPRESS_TOKEN: CLOUDPRESS_ACCOUNT, TOKEN: ACCOUNT}
    async with (
        run_sandbox(accounts=accounts) as sandbox,
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
    ):
        yield presshook


async def make(presshook: Presshook, name: str, *accounts: str) -> MadeKey:
    new = NewKey(name, tuple(Scope), accounts or None)
    return await make_key(presshook.service.db, new, by=Actor("the test"))


def bearer(made: MadeKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {made.key}"}


async def key_of(presshook: Presshook, name: str, *accounts: str) -> dict[str, str]:
    return bearer(await make(presshook, name, *accounts))


async def happened(presshook: Presshook, **headers: str) -> list[dict[str, Any]]:
    answer = await presshook.client.get("/v1/events", params={"limit": 100}, headers=headers)
    events: list[dict[str, Any]] = answer.json()["data"]
    return events


async def ask(
    presshook: Presshook, by: dict[str, str], method: str, path: str, **body: Any
) -> httpx.Response:
    answer = await presshook.client.request(method, path, headers=by, json=body or None)
    assert answer.is_success, answer.text
    return answer


async def test_each_change_is_told_with_who_made_it_and_no_secret(presshook: Presshook) -> None:
    rosa = await make(presshook, "Rosa")
    by, who = bearer(rosa), {"by": "Rosa", "by_key": str(rosa.stored.id)}
    key = (await ask(presshook, by, "POST", "/v1/keys", name="shop", scopes=["orders:read"])).json()
    rotated = (await ask(presshook, by, "POST", f"/v1/keys/{key['id']}/rotate")).json()
    await ask(presshook, by, "DELETE", f"/v1/keys/{key['id']}")
    await ask(presshook, by, "PUT", f"/v1/accounts/{ACCOUNT}", token=TOKEN)
    await ask(presshook, by, "PUT", f"/v1/accounts/{ACCOUNT}", name="Second")
    await ask(presshook, by, "DELETE", f"/v1/accounts/{ACCOUNT}")
    hook = (await ask(presshook, by, "POST", "/v1/webhooks", url="https://shop.example.com/")).json()
    path = f"/v1/webhooks/{hook['id']}"
    await ask(presshook, by, "PATCH", path, description="The shop")
    renewed = (await ask(presshook, by, "POST", f"{path}/rotate")).json()
    deliveries = (await ask(presshook, by, "GET", f"{path}/deliveries")).json()["data"]
    await ask(presshook, by, "DELETE", path)

    events = await happened(presshook)
    told = [(each["type"], {**each["data"]}) for each in events if each["data"]["by"] == "Rosa"]
    assert told == [
        *((f"key.{what}", {"key": key["id"], **who}) for what in ("created", "rotated", "revoked")),
        *((f"account.{what}", {"account": ACCOUNT, **who}) for what in ("stored", "stored", "removed")),
        *(
            (f"webhook.{what}", {"webhook": hook["id"], **who})
            for what in ("created", "changed", "rotated", "removed")
        ),
    ]
    assert {(each["order_id"], each["order"]) for each in events} == {(None, None)}
    for secret in (key["key"], rotated["key"], TOKEN, hook["secret"], renewed["secret"]):
        assert secret not in str(events)
    assert deliveries == [], "applications are told of orders alone"


async def test_two_keys_of_one_name_are_told_apart(presshook: Presshook) -> None:
    presshook.client.headers["Prefer"] = "wait=0"
    keys = [await make(presshook, "shop") for _ in range(2)]
    body = {"site": {"name": "Site", "variant": "vanilla"}}
    for made in keys:
        answer = await presshook.client.post("/v1/orders", json=body, headers=bearer(made))
        path = answer.headers["location"]
        await ask(presshook, bearer(made), "POST", f"{path}/refresh")
        await ask(presshook, bearer(made), "DELETE", path)
        told = (await presshook.client.get(f"{path}/events")).json()["data"]
        by = [(each["data"]["by"], each["data"]["by_key"]) for each in told if "by" in each["data"]]
        assert set(by) == {("shop", str(made.stored.id))}
        assert len(by) == 3
    accepted = [each["data"] for each in await happened(presshook) if each["type"] == "key.created"]
    assert all("by_key" not in data for data in accepted), "no stored key made these"


async def test_what_changes_nothing_is_not_told(presshook: Presshook) -> None:
    by = await key_of(presshook, "Rosa")
    refused = await presshook.client.put(f"/v1/accounts/{ACCOUNT}", json={"token": "wrong"}, headers=by)
    assert refused.status_code == 422
    missing = await presshook.client.delete("/v1/accounts/nobody", headers=by)
    assert missing.status_code == 404
    assert [each for each in await happened(presshook) if each["data"]["by"] == "Rosa"] == []


async def test_a_key_for_some_accounts_is_told_nothing_of_it(presshook: Presshook) -> None:
    bounded = await key_of(presshook, "bounded", ACCOUNT)
    assert [each["type"] for each in await happened(presshook)] == ["key.created"]
    assert await happened(presshook, **bounded) == []
