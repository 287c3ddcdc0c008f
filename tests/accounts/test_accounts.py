"""Many CloudPress accounts, each with its token; and the catalog, by which new orders are checked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.api.routes import catalog
from app.db.models import Account
from tests.harness import Presshook, Sandbox, eventually, run_presshook, run_sandbox
from tests.settings import CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN

SECOND, SECOND_TOKEN = "acct-second", "token-of-the-second-account"
THIRD, THIRD_TOKEN = "acct-third", "token-of-the-third-account"
ORDER = {"site": {"name": "Site", "variant": "vanilla"}}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with several accounts."""
    accounts = {CLOUDPRESS_TOKEN: CLOUDPRESS_ACCOUNT, SECOND_TOKEN: SECOND, THIRD_TOKEN: THIRD}
    async with run_sandbox(accounts=accounts) as running:
        yield running


async def put(presshook: Presshook, account_id: str, **body: Any) -> Any:
    return await presshook.client.put(f"/v1/accounts/{account_id}", json=body)


async def test_orders_go_to_the_account_that_they_name(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        stored = await put(presshook, SECOND, name="Second", token=SECOND_TOKEN)
        assert (stored.status_code, stored.headers["location"]) == (201, f"/v1/accounts/{SECOND}")
        assert SECOND_TOKEN not in stored.text
        assert (stored.json()["id"], stored.json()["source"]) == (SECOND, "stored")
        answer = await presshook.client.post("/v1/orders", json={**ORDER, "account_id": SECOND})
        assert answer.json()["account_id"] == SECOND
        await presshook.until(answer.json()["id"], "completed")
        await presshook.until((await presshook.order("Default")).json()["id"], "completed")
        owners = {made["site_name"]: made["account_id"] for made in await sandbox.orders()}
        assert owners == {"Site": SECOND, "Default": CLOUDPRESS_ACCOUNT}
        listed = (await presshook.client.get("/v1/accounts")).json()["data"]
        assert [(account["id"], account["source"]) for account in listed] == [
            (CLOUDPRESS_ACCOUNT, "environment"),
            (SECOND, "stored"),
        ]


async def test_accounts_are_paged(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        ids = [CLOUDPRESS_ACCOUNT, *sorted(["a/1", "a/2", "b.", "{}", "Z", "m"])]
        async with presshook.service.db.write() as tx:
            for account_id in ids[1:]:
                tx.session.add(Account(id=account_id, created_at=tx.now, updated_at=tx.now, token=b"t"))
        for limit in ("1", "2", "3", "100"):
            assert sorted(await paged(presshook, limit)) == sorted(ids), "each once"
            assert (await paged(presshook, limit))[0] == CLOUDPRESS_ACCOUNT
        for cursor in ("!", "AAAA", "gICA", "a" * 400):
            answer = await presshook.client.get("/v1/accounts", params={"cursor": cursor})
            assert answer.status_code == 422, cursor
            assert "cursor" in answer.text


async def paged(presshook: Presshook, limit: str) -> list[str]:
    """Return the accounts, page by page."""
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await presshook.client.get("/v1/accounts", params={"limit": limit, **cursor})).json()
        assert len(page["data"]) <= int(limit)
        listed += [account["id"] for account in page["data"]]
        if page["next_cursor"] is None:
            return listed
        cursor = {"cursor": page["next_cursor"]}


async def test_a_token_is_encrypted_at_rest_and_kept_if_none_is_given(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await put(presshook, SECOND, token=SECOND_TOKEN)
        renamed = await put(presshook, SECOND, name="New name")
        assert renamed.json()["name"] == "New name"
        async with presshook.service.db.read() as session:
            account = (await session.scalars(select(Account).options(undefer(Account.token)))).one()
            raw = await session.connection()
            stored = (await raw.exec_driver_sql("SELECT token FROM accounts")).scalar_one()
        assert account.token.decode() == SECOND_TOKEN
        assert SECOND_TOKEN.encode() not in bytes(stored)


async def test_an_account_is_stored_once_however_often_it_is_put(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        at_once = await asyncio.gather(*(put(presshook, SECOND, token=SECOND_TOKEN) for _ in range(6)))
        assert sorted(answer.status_code for answer in at_once) == [200] * 5 + [201]
        again = await put(presshook, SECOND, token=SECOND_TOKEN)
        assert (again.status_code, again.headers.get("location")) == (200, None)


async def test_a_name_is_kept_unless_it_is_given_or_taken_away(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await put(presshook, SECOND, name="Second", token=SECOND_TOKEN)
        assert (await put(presshook, SECOND, token=SECOND_TOKEN)).json()["name"] == "Second"
        assert (await put(presshook, SECOND, name=None)).json()["name"] is None
        shown = (await presshook.client.get(f"/v1/accounts/{SECOND}")).json()
        assert shown["name"] is None


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("wrong-token", "CloudPress answered 401: Invalid credentials"),
        (THIRD_TOKEN, "CloudPress answered 403: This token does not belong to the account"),
    ],
)
async def test_a_token_that_cloudpress_refuses_is_not_stored(
    database_url: str, sandbox: Sandbox, token: str, words: str
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await put(presshook, SECOND, token=token)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert error["field"] == "token"
        assert error["detail"].startswith(words)
        assert token not in answer.text
        assert (await presshook.client.get(f"/v1/accounts/{SECOND}")).status_code == 404


async def test_a_token_that_is_refused_later_holds_back_that_accounts_orders_alone(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await put(presshook, SECOND, token=SECOND_TOKEN)
        await sandbox.client.request("DELETE", f"/sandbox/tokens/{SECOND_TOKEN}")
        body, at_once = {**ORDER, "account_id": SECOND}, {"Prefer": "wait=0"}
        held = (await presshook.client.post("/v1/orders", json=body, headers=at_once)).json()

        async def account() -> dict[str, Any]:
            found: dict[str, Any] = (await presshook.client.get(f"/v1/accounts/{SECOND}")).json()
            return found

        shown = await eventually(account, lambda seen: seen["attention"] is not None)
        assert shown["attention"]["code"] == "credentials_refused"
        assert (await presshook.show(held["id"]))["status"] == "pending"
        await presshook.until((await presshook.order("Default")).json()["id"], "completed")
        renamed = await put(presshook, SECOND, name="Still refused")
        assert renamed.json()["attention"] == shown["attention"]
        await sandbox.post("/tokens", token="a-new-token", account_id=SECOND)
        await put(presshook, SECOND, token="a-new-token")
        await presshook.until(held["id"], "completed")
        assert (await account())["attention"] is None


async def test_an_account_with_open_orders_is_kept(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await put(presshook, SECOND, token=SECOND_TOKEN)
        body = {"site": {"name": "Open [payment-first]", "variant": "vanilla"}, "account_id": SECOND}
        order_id = (await presshook.client.post("/v1/orders", json=body)).json()["id"]
        answer = await presshook.client.delete(f"/v1/accounts/{SECOND}")
        assert answer.json() == {
            "type": "urn:presshook:problem:account-in-use",
            "title": "Conflict",
            "status": 409,
            "detail": "The account has 1 open orders. Cancel them, or wait until they are final.",
        }
        assert (await presshook.client.delete(f"/v1/orders/{order_id}")).status_code == 200
        assert (await presshook.client.delete(f"/v1/accounts/{SECOND}")).status_code == 204
        assert (await presshook.client.delete(f"/v1/accounts/{SECOND}")).status_code == 404
        refused = await presshook.client.post("/v1/orders", json={**ORDER, "account_id": SECOND})
        assert refused.status_code == 422
        assert (await presshook.show(order_id))["status"] == "cancelled", "its orders are still there"


async def test_the_catalog_is_asked_for_once_and_serves_for_minutes(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answers = [await presshook.client.get("/v1/catalog") for _ in range(3)]
        first = answers[0].json()
        assert {answer.json()["fetched_at"] for answer in answers} == {first["fetched_at"]}
        assert [location["name"] for location in first["locations"]] == ["Amsterdam", "Frankfurt", "Iowa"]
        assert first["variants"] == ["vanilla", "extendify", "migration"]
        assert answers[2].headers["cache-control"].startswith("private, max-age=")
        assert await sandbox.requests("GET /api/about") == 1


@pytest.mark.parametrize(
    ("site", "field", "allowed"),
    [
        ({"location": "Atlantis"}, "site.location", "CloudPress offers: Amsterdam, Frankfurt, Iowa."),
        ({"plan": "Gold"}, "site.plan", "CloudPress offers: Business, Starter."),
    ],
)
async def test_an_order_is_checked_against_a_fresh_catalog(
    database_url: str, sandbox: Sandbox, site: dict[str, Any], field: str, allowed: str
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await presshook.client.get("/v1/catalog")
        refused = await presshook.order("Site", **site)
        assert refused.status_code == 422
        assert refused.json()["errors"] == [{"field": field, "detail": allowed}]
        assert await presshook.count_orders() == 0
        taken = await presshook.order("Site", location="amsterdam", plan="1")
        assert taken.status_code in {201, 422}, "another case and an id are CloudPress's to judge"
        assert await presshook.count_orders() == 1


async def test_of_a_large_catalog_an_error_names_a_part(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MOST_NAMES", 2)
    async with run_presshook(database_url, sandbox.url) as presshook:
        await presshook.client.get("/v1/catalog")
        refused = await presshook.order("Site", location="Atlantis")
        [error] = refused.json()["errors"]
        assert error["detail"] == "CloudPress offers: Amsterdam, Frankfurt and 1 more (GET /v1/catalog)."


async def test_a_repeated_order_is_the_same_whatever_has_changed_since(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await put(presshook, SECOND, token=SECOND_TOKEN)
        body = {"site": {"name": "Once", "variant": "vanilla", "plan": "Gold"}, "account_id": SECOND}
        once = {"Idempotency-Key": "1"}
        first = await presshook.client.post("/v1/orders", json=body, headers=once)
        assert first.status_code == 422
        assert first.json()["type"] == "urn:presshook:problem:order-rejected"
        await presshook.client.get("/v1/catalog", params={"account_id": SECOND})
        assert (await presshook.client.delete(f"/v1/accounts/{SECOND}")).status_code == 204
        again = await presshook.client.post("/v1/orders", json=body, headers=once)
        assert again.json() == first.json(), "neither the catalog nor the account is asked again"


async def test_no_order_waits_for_a_catalog_and_the_next_is_checked(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        first = await presshook.order("First", location="Atlantis")
        assert first.json()["type"] == "urn:presshook:problem:order-rejected", "CloudPress was asked"

        async def checked() -> str:
            answer = await presshook.order("Later", location="Atlantis")
            return str(answer.json()["type"])

        await eventually(checked, lambda kind: kind == "urn:presshook:problem:invalid-request")


async def test_without_cloudpress_orders_are_taken_and_the_catalog_is_502(database_url: str) -> None:
    async with run_presshook(database_url, "http://127.0.0.1:9") as presshook:
        assert (await presshook.order("Site", wait=0, location="Anywhere")).status_code == 202
        answer = await presshook.client.get("/v1/catalog")
        assert answer.status_code == 502
        assert answer.json()["detail"] == "CloudPress could not be asked. Try again later."


@pytest.mark.parametrize("account_id", ["team/7", "/", "a//b", "a%2Fb", "...", "a?b#c"])
async def test_an_id_may_hold_whatever_a_header_may(
    database_url: str, sandbox: Sandbox, account_id: str
) -> None:
    await sandbox.post("/tokens", token="token-of-the-odd-account", account_id=account_id)
    async with run_presshook(database_url, sandbox.url) as presshook:
        path = f"/v1/accounts/{quote(account_id, safe='')}"
        stored = await presshook.client.put(path, json={"token": "token-of-the-odd-account"})
        assert (stored.status_code, stored.headers["location"]) == (201, path)
        assert (await presshook.client.get(path)).json()["id"] == account_id
        order = await presshook.client.post("/v1/orders", json={**ORDER, "account_id": account_id})
        listed = await presshook.client.get("/v1/orders", params={"account_id": account_id})
        assert [each["id"] for each in listed.json()["data"]] == [order.json()["id"]]
        await presshook.until(order.json()["id"], "completed")
        assert (await presshook.client.delete(path)).status_code == 204
        assert (await presshook.client.get(path)).status_code == 404


async def test_no_id_is_no_account(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        assert (await presshook.client.get("/v1/accounts/")).status_code == 404


async def test_a_catalog_that_may_be_kept_is_kept_for_its_key_alone(
    database_url: str, sandbox: Sandbox
) -> None:
    """Which account is meant depends on the key: to a browser's cache it is the same address for each."""
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.client.get("/v1/catalog")
    assert "max-age" in answer.headers["cache-control"]
    assert "authorization" in answer.headers.get("vary", "").lower()
