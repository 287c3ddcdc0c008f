"""What stands behind the `?`: a name that nobody heeds is told, and so are two values for one."""

from typing import Any

import httpx
import pytest

NOTHING = "01890000-0000-7000-8000-000000000000"
UNKNOWN = "There is no such parameter here."
TWICE = "This is sent more than once, and takes one value."


@pytest.mark.parametrize(
    ("method", "path", "name", "detail"),
    [
        ("GET", "/v1/orders?statuss=failed", "statuss", UNKNOWN),
        ("GET", "/v1/orders?Status=failed", "Status", UNKNOWN),
        ("GET", "/v1/orders?limit=5&status[]=failed", "status[]", UNKNOWN),
        ("GET", "/v1/orders?limit=5&limit=6", "limit", TWICE),
        ("GET", "/v1/orders?cursor&cursor", "cursor", TWICE),
        ("GET", f"/v1/orders/{NOTHING}?wait=1&wait=2", "wait", TWICE),
        ("POST", f"/v1/orders/{NOTHING}/refresh?wait=1", "wait", UNKNOWN),
        ("DELETE", f"/v1/orders/{NOTHING}?force", "force", UNKNOWN),
        ("GET", "/v1/events?types=order.completed", "types", UNKNOWN),
        ("GET", "/v1/catalog?account=a", "account", UNKNOWN),
        ("GET", "/v1/keys?page=2", "page", UNKNOWN),
        ("POST", "/v1/checks/run?dry", "dry", UNKNOWN),
        ("GET", "/v1/webhooks?=", "", UNKNOWN),
    ],
)
async def test_a_parameter_that_would_be_passed_over_is_refused(
    client: httpx.AsyncClient, method: str, path: str, name: str, detail: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:presshook:problem:invalid-request")
    assert answer.json()["errors"] == [{"field": name, "detail": detail}]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/orders?",
        "/v1/orders?limit=5&status=failed&status=completed",
        "/v1/events?type=order.completed&type=order.failed&limit=5",
        "/livez?probe=1",
        "/metrics?name[]=up",
        "/openapi.json?v=1",
    ],
)
async def test_what_a_route_takes_it_takes_as_often_as_it_does(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_who_is_not_let_in_learns_of_no_parameter(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/v1/orders?statuss=failed")).status_code == 401


async def test_every_route_of_clients_tells_that_it_may_refuse_one(client: httpx.AsyncClient) -> None:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    lacking = [
        (path, method)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/") and not path.startswith("/v1/callbacks/")
        if "422" not in operation["responses"]
    ]
    assert lacking == []
