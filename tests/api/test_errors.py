"""Each error that a client can provoke without CloudPress, word by word, and that none echoes a secret."""

# ruff: noqa: E501 - the table reads by its lines

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.main import Service
from app.models import Order
from app.orders import NewOrder, create_order
from tests.conftest import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, SECRET_KEY

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
    invalid("POST", f"/v1/orders/{NOTHING}/resolve", "action", "Input should be one of 'adopt', 'place_again', 'fail'", json={"action": SECRET}),
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
    assert answer.json() == {
        "type": f"urn:presshook:problem:{row.code}",
        "title": row.title,
        "status": row.status,
        "detail": row.detail,
        **row.more,
    }
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
        assert answer.json() == {
            "type": f"urn:presshook:problem:{code}",
            "title": "Conflict",
            "status": 409,
            "detail": detail,
        }


async def test_an_idempotency_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    once = {"Idempotency-Key": "1"}
    await client.post("/v1/orders", json=ORDER, headers=once)
    other = {"site": {"name": "Another", "variant": "vanilla"}}
    answer = await client.post("/v1/orders", json=other, headers=once)
    assert answer.json() == {
        "type": "urn:presshook:problem:idempotency-conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "This Idempotency-Key was used for another order. Use a new one.",
    }
