"""Each error that a client can provoke, word by word, and that none echoes a secret."""

# ruff: noqa: E501 - the table reads by its lines

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from app.api.middleware import body_limit as limits
from app.db.models import Order
from app.events.timeline import Actor
from app.keys.changing import make_key
from app.keys.grants import NewKey, Scope
from app.main import Service
from app.orders.intake import NewOrder, create_order
from tests.api.conftest import client_of
from tests.harness import run_presshook, run_sandbox
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, SECRET_KEY, make_settings

NOTHING = "01890000-0000-7000-8000-000000000000"
ORDER = {"site": {"name": "Site", "variant": "vanilla"}}
SECRET = "s3cr3t-that-was-sent"


@dataclass
class Row:
    status: int
    code: str
    title: str
    detail: str
    method: str
    path: str
    json: Any = None
    content: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def problem(status: int, code: str, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the whole body of an error."""
    kind = f"urn:presshook:problem:{code}"
    return {"type": kind, "title": title, "status": status, "detail": detail, **more}


def invalid(method: str, path: str, name: str, detail: str, **sent: Any) -> Row:
    told = "Some fields are missing or not acceptable."
    more = {"errors": [{"field": name, "detail": detail}]}
    return Row(422, "invalid-request", "Unprocessable Content", told, method, path, more=more, **sent)


JSON = {"Content-Type": "application/json"}
ENVIRONMENTS = "This account is set by CLOUDPRESS_ACCOUNT_ID and CLOUDPRESS_API_TOKEN: change it there."
OUT_OF_RANGE = "must be a time between the years 1 and 9999 in UTC"
NO_ORDER = "There is no such order."
ROWS = [
    Row(400, "malformed-json", "Bad Request", "The body is not valid JSON.", "POST", "/v1/orders", content=f'{{"{SECRET}', headers=JSON),
    Row(401, "unauthorized", "Unauthorized", "The Authorization header is missing or is not accepted here.", "GET", "/v1/orders", headers={"Authorization": f"Bearer {SECRET}"}),
    Row(404, "not-found", "Not Found", "There is nothing at this address.", "GET", f"/v1/{SECRET}"),
    Row(404, "not-found", "Not Found", NO_ORDER, "GET", f"/v1/orders/{NOTHING}"),
    Row(404, "not-found", "Not Found", NO_ORDER, "DELETE", f"/v1/orders/{NOTHING}"),
    Row(404, "not-found", "Not Found", NO_ORDER, "GET", f"/v1/orders/{NOTHING}/events"),
    Row(404, "not-found", "Not Found", NO_ORDER, "GET", f"/v1/orders/{NOTHING}/credentials"),
    Row(404, "not-found", "Not Found", NO_ORDER, "POST", f"/v1/orders/{NOTHING}/refresh"),
    Row(404, "not-found", "Not Found", NO_ORDER, "POST", f"/v1/orders/{NOTHING}/resolve", json={"action": "fail"}),
    Row(404, "not-found", "Not Found", "There is no such account.", "GET", "/v1/accounts/nobody"),
    Row(404, "not-found", "Not Found", "There is no such account.", "DELETE", "/v1/accounts/nobody"),
    Row(404, "not-found", "Not Found", "There is no such account.", "GET", "/v1/catalog?account_id=nobody"),
    Row(404, "not-found", "Not Found", "There is no such API key.", "GET", f"/v1/keys/{NOTHING}"),
    Row(405, "method-not-allowed", "Method Not Allowed", "This address does not take this method.", "PUT", "/v1/orders"),
    Row(409, "account-of-environment", "Conflict", ENVIRONMENTS, "PUT", f"/v1/accounts/{CLOUDPRESS_ACCOUNT}", json={"token": SECRET}),
    Row(409, "account-of-environment", "Conflict", ENVIRONMENTS, "DELETE", f"/v1/accounts/{CLOUDPRESS_ACCOUNT}"),
    Row(413, "content-too-large", "Content Too Large", "The body is too large.", "POST", "/v1/orders", content=SECRET * 10_000, headers=JSON),
    Row(415, "unsupported-media-type", "Unsupported Media Type", "Send the body as JSON, with Content-Type: application/json.", "POST", "/v1/orders", content=f"site={SECRET}"),
    Row(502, "cloudpress-away", "Bad Gateway", "CloudPress could not be asked. Try again later.", "GET", "/v1/catalog"),
    Row(502, "cloudpress-away", "Bad Gateway", "CloudPress could not be asked. Nothing was stored; try again later.", "PUT", "/v1/accounts/new", json={"token": SECRET}),
    invalid("POST", "/v1/orders", "site", "Field required", json={}),
    invalid("POST", "/v1/orders", "site.colour", "Extra inputs are not permitted", json={"site": {**ORDER["site"], "colour": SECRET}}),
    invalid("POST", "/v1/orders", "account_id", "There is no such account, or no API token is configured for it.", json={**ORDER, "account_id": SECRET}),
    invalid("POST", "/v1/orders", "Idempotency-Key", "String should have at most 255 characters", json=ORDER, headers={"Idempotency-Key": "k" * 256}),
    invalid("GET", f"/v1/orders/{NOTHING}?wait=31", "wait", "Input should be less than or equal to 30"),
    invalid("GET", "/v1/orders?limit=101", "limit", "Input should be less than or equal to 100"),
    invalid("PUT", "/v1/accounts/new", "token", "A new account needs its CloudPress API token.", json={"name": "New"}),
    invalid("PUT", "/v1/accounts/new", "token", "must consist of printable ASCII characters without spaces", json={"token": f"{SECRET} {SECRET}"}),
    invalid("POST", "/v1/keys", "scopes", "List should have at least 1 item after validation, not 0", json={"name": "k", "scopes": []}),
    invalid("POST", f"/v1/orders/{NOTHING}/resolve", "cloudpress_order_id", "Field required", json={"action": "adopt"}),
    invalid("POST", f"/v1/orders/{NOTHING}/resolve", "action", "Field required", json={}),
    invalid("POST", f"/v1/orders/{NOTHING}/resolve", "action", "Input should be one of 'adopt', 'place_again', 'fail', 'dismiss_duplicates'", json={"action": SECRET}),
    invalid("POST", "/v1/orders", "metadata", "String should have at most 64 characters", json={**ORDER, "metadata": {SECRET * 4: "x"}}),
    invalid("GET", "/v1/orders?created_after=9999-12-31T23:59:59-05:00", "created_after", OUT_OF_RANGE),
    invalid("GET", "/v1/orders?created_before=0001-01-01T00:00:00%2B05:00", "created_before", OUT_OF_RANGE),
    invalid("POST", "/v1/keys", "expires_at", OUT_OF_RANGE, json={"name": "k", "scopes": ["orders:read"], "expires_at": "9999-12-31T23:59:59-05:00"}),
    invalid("POST", f"/v1/webhooks/{NOTHING}/redeliver", "since", OUT_OF_RANGE, json={"since": "0001-01-01T00:00:00+05:00"}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status} {row.method} {row.path}"[:60])
async def test_errors_say_what_happened_and_echo_nothing(client: httpx.AsyncClient, row: Row) -> None:
    answer = await client.request(
        row.method, row.path, json=row.json, content=row.content, headers=row.headers
    )
    assert answer.status_code == row.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == problem(row.status, row.code, row.title, row.detail, **row.more)
    told = answer.text + str(answer.headers)
    for secret in (SECRET, SECRET_KEY, CLOUDPRESS_TOKEN, API_KEY):
        assert secret not in told


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_final_order_can_be_neither_cancelled_nor_refreshed_nor_resolved(
    client: httpx.AsyncClient, service: Service, status: str
) -> None:
    new = NewOrder(CLOUDPRESS_ACCOUNT, "Done", "vanilla", None, None, None, {})
    order = await create_order(service.db, new, None)
    async with service.db.write() as tx:
        stored = await tx.session.get_one(Order, order.id)
        stored.status, stored.finalized_at, stored.due_at = status, tx.now, None  # type: ignore[assignment]
    for method, path, code, detail in (
        ("DELETE", "", "order-final", f"The order is {status}, and cannot be cancelled any more."),
        ("POST", "/refresh", "order-final", f"The order is {status}: nothing changes any more."),
        (
            "POST",
            "/resolve",
            "not-resolvable",
            f"Only an unconfirmed order can be resolved; this one is {status}.",
        ),
    ):
        answer = await client.request(method, f"/v1/orders/{order.id}{path}", json={"action": "fail"})
        assert answer.json() == problem(409, code, "Conflict", detail)


async def test_an_idempotency_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    once = {"Idempotency-Key": "1"}
    await client.post("/v1/orders", json=ORDER, headers=once)
    other = {"site": {"name": "Another", "variant": "vanilla"}}
    answer = await client.post("/v1/orders", json=other, headers=once)
    told = "This Idempotency-Key was used for another order. Use a new one."
    assert answer.json() == problem(409, "idempotency-conflict", "Conflict", told)


async def test_what_a_key_may_not_do(anonymous: httpx.AsyncClient, service: Service) -> None:
    scopes = (Scope.ORDERS_READ, Scope.KEYS_WRITE)
    made = await make_key(service.db, NewKey("k", scopes, ("one", "two")), by=Actor("the test"))
    anonymous.headers["Authorization"] = f"Bearer {made.key}"
    lacking = await anonymous.post("/v1/orders", json=ORDER)
    told = "This API key lacks the scope orders:write."
    assert lacking.json() == problem(403, "missing-scope", "Forbidden", told, scope="orders:write")
    beyond = await anonymous.post(
        "/v1/keys", json={"name": "k", "scopes": ["orders:write"], "account_ids": ["one"]}
    )
    told = "An API key can give neither scopes nor accounts that it does not have, nor more time."
    assert beyond.json() == problem(403, "beyond-own-key", "Forbidden", told)
    unnamed = await anonymous.get("/v1/catalog")
    errors = [
        {"field": "account_id", "detail": "This API key is for other accounts than the default: name one."}
    ]
    told = "Some fields are missing or not acceptable."
    assert unnamed.json() == problem(422, "invalid-request", "Unprocessable Content", told, errors=errors)


async def test_a_webhook_that_is_disabled_is_sent_nothing(client: httpx.AsyncClient) -> None:
    body = {"url": "https://shop.example.com/", "enabled": False}
    path = f"/v1/webhooks/{(await client.post('/v1/webhooks', json=body)).json()['id']}"
    since = {"since": "2026-01-01T00:00:00Z"}
    for action in ("test", f"deliveries/{NOTHING}/redeliver", "redeliver"):
        answer = await client.post(f"{path}/{action}", json=since)
        told = "The webhook is disabled: enable it first."
        assert answer.json() == problem(409, "webhook-disabled", "Conflict", told), action


async def test_a_key_that_asks_too_often(database_url: str) -> None:
    service = Service(make_settings(database_url, rate_limit="1/hour"))
    async with service.run(reconcile=False, on_death=lambda: None), client_of(service) as client:
        client.headers["Authorization"] = f"Bearer {API_KEY}"
        await client.get("/v1/orders")
        answer = await client.get("/v1/orders")
    told = (
        f"This API key may send 1 requests in 3600 seconds. Try again in {answer.headers['retry-after']} s."
    )
    assert answer.json() == problem(429, "rate-limited", "Too Many Requests", told)


async def test_a_body_that_drips(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"'
        await asyncio.Event().wait()

    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    answer = await client.post("/v1/orders", content=dripping(), headers=JSON)
    told = "The body did not come within 30 seconds."
    assert answer.json() == problem(408, "request-timeout", "Request Timeout", told)


async def test_a_database_that_is_away(without_database: Service) -> None:
    async with client_of(without_database, Authorization=f"Bearer {API_KEY}") as client:
        answer = await client.post("/v1/orders", json=ORDER)
    told = (
        "The database cannot be used at the moment. Try again; an order that has an Idempotency-Key is not stored "
        "twice, should this one have been stored all the same."
    )
    assert answer.json() == problem(503, "database-away", "Service Unavailable", told)
    assert answer.headers["retry-after"] == "5"


async def test_what_cloudpress_refuses(database_url: str) -> None:
    accounts = {CLOUDPRESS_TOKEN: CLOUDPRESS_ACCOUNT, "token-two": "acct-two"}
    async with (
        run_sandbox(accounts=accounts) as sandbox,
        run_presshook(database_url, sandbox.url) as presshook,
    ):
        rejected = await presshook.order("Nowhere", location="Atlantis")
        order_id = rejected.json()["order_id"]
        reason = "Unknown location; it is one of Amsterdam, Frankfurt, Iowa"
        told = f"CloudPress refused the order: {reason}"
        assert rejected.json() == problem(
            422, "order-rejected", "Unprocessable Content", told, errors=[reason], order_id=order_id
        )
        assert rejected.headers["location"] == f"/v1/orders/{order_id}"
        kept = (await presshook.order("Kept [payment-first] [cancel-422]")).json()
        refused = await presshook.client.delete(f"/v1/orders/{kept['id']}")
        told = "CloudPress refuses to cancel the order, which is awaiting_payment."
        assert refused.json() == problem(
            409, "cancel-refused", "Conflict", told, errors=["A fault on demand"]
        )
        await presshook.client.put("/v1/accounts/acct-two", json={"token": "token-two"})
        body = {"site": {"name": "Open [payment-first]", "variant": "vanilla"}, "account_id": "acct-two"}
        await presshook.client.post("/v1/orders", json=body)
        in_use = await presshook.client.delete("/v1/accounts/acct-two")
        told = "The account has 1 open orders. Cancel them, or wait until they are final."
        assert in_use.json() == problem(409, "account-in-use", "Conflict", told)


async def test_titles_are_the_same_whatever_pythons_table_says(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status in HTTPStatus:
        monkeypatch.setattr(status, "phrase", "As another release says")
    for path, title in (("/v1/nothing", "Not Found"), ("/v1/orders?limit=0", "Unprocessable Content")):
        assert (await client.get(path)).json()["title"] == title
