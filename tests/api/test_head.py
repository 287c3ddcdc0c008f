"""HEAD: the head that GET would be answered with, no body, and no wait for what would go on."""

import asyncio

import httpx
import pytest

from app.main import Service
from app.orders.intake import NewOrder, create_order
from tests.harness import Sandbox, run_presshook

NOTHING = "01890000-0000-7000-8000-000000000000"
OF_EACH_ANSWER = {"x-request-id"}


@pytest.mark.parametrize(
    "path",
    [
        "/livez",
        "/v1/orders",
        "/v1/orders?limit=x",
        f"/v1/orders/{NOTHING}",
        "/v1/nowhere",
        "/v1/keys",
        "/openapi.json",
        "/docs",
        "/ui",
        "/ui/sign-in",
        "/ui/",
    ],
)
async def test_head_is_answered_as_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    told = [
        {name: value for name, value in answer.headers.items() if name not in OF_EACH_ANSWER}
        for answer in (got, head)
    ]
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert told[1] == told[0]


async def test_head_is_let_in_by_a_key_alone(anonymous: httpx.AsyncClient) -> None:
    refused = await anonymous.head("/v1/orders")
    assert (refused.status_code, refused.content) == (401, b"")


async def test_head_is_no_other_method(client: httpx.AsyncClient) -> None:
    answer = await client.head(f"/v1/orders/{NOTHING}/refresh")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


async def test_head_waits_for_nothing(client: httpx.AsyncClient, service: Service) -> None:
    order = await create_order(service.db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    async with asyncio.timeout(10):
        stream = await client.head("/v1/events", headers={"Accept": "text/event-stream"})
        waited = await client.head(f"/v1/orders/{order.id}?wait=30")
    assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (waited.status_code, "etag" in waited.headers) == (200, True)
    assert stream.content + waited.content == b""


async def test_who_asks_for_the_head_of_credentials_has_not_read_them(
    database_url: str, sandbox: Sandbox
) -> None:
    """Nor is told how long the password is, which would be recorded nowhere."""
    async with run_presshook(database_url, sandbox.url) as presshook:
        client = presshook.client
        path = f"/v1/orders/{(await presshook.order('Plain')).json()['id']}"
        await presshook.until(path.rpartition("/")[2], "completed")
        head = await client.head(f"{path}/credentials")
        events = (await client.get(f"{path}/events?limit=100")).json()["data"]
        assert "order.credentials_read" not in {event["type"] for event in events}
        got = await client.get(f"{path}/credentials")
        assert (head.status_code, head.content, "content-length" in head.headers) == (200, b"", False)
        ours = OF_EACH_ANSWER | {"content-length"}
        told = [{name: each.headers[name] for name in {*each.headers} - ours} for each in (head, got)]
        assert told[0] == told[1]
        later = (await client.get(f"{path}/events?limit=100")).json()["data"]
        assert [event["type"] for event in later].count("order.credentials_read") == 1
        assert (await client.head(f"/v1/orders/{NOTHING}/credentials")).status_code == 404


async def test_head_is_measured_as_what_it_is(client: httpx.AsyncClient) -> None:
    await client.head("/v1/orders")
    text = (await client.get("/metrics")).text
    assert 'method="HEAD",route="/v1/orders",status="200"' in text
    assert 'method="GET",route="/v1/orders"' not in text
