"""The list of orders: filters, pages, and that nothing shifts or repeats."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from app.db.models import Order
from app.main import Service
from app.orders.intake import NewOrder, create_order
from app.states import OrderStatus


async def place(service: Service, name: str, account: str = "acct-tests") -> str:
    order = await create_order(service.db, NewOrder(account, name, "vanilla", None, None, None, {}), None)
    return str(order.id)


async def change(service: Service, order_id: str, **values: Any) -> None:
    async with service.db.write() as tx:
        if values.get("status") in {"completed", "failed", "cancelled"}:
            values["finalized_at"] = tx.now
        if "attention_code" in values:
            values |= {"attention_detail": "Look.", "attention_since": tx.now}
        await tx.session.execute(update(Order).where(Order.id == UUID(order_id)).values(**values))


async def names(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get("/v1/orders", params=params)
    assert answer.status_code == 200, answer.text
    return [order["request"]["name"] for order in answer.json()["data"]]


async def test_the_newest_come_first_and_are_shown_as_when_read_alone(
    client: httpx.AsyncClient, service: Service
) -> None:
    ids = [await place(service, name) for name in ("A", "B", "C")]
    listed = (await client.get("/v1/orders")).json()
    assert [order["id"] for order in listed["data"]] == ids[::-1]
    assert listed["next_cursor"] is None
    assert listed["data"][0] == (await client.get(f"/v1/orders/{ids[-1]}")).json()


@pytest.mark.parametrize(
    ("params", "expected", "reason"),
    [
        ({"status": "completed"}, ["C"], "one status"),
        ({"status": ["completed", "failed"]}, ["D", "C"], "any of several, merged"),
        ({"account_id": "other"}, ["D", "B"], "one account"),
        ({"account_id": ["other", "acct-tests"]}, ["D", "C", "B", "A"], "several accounts"),
        ({"account_id": "other", "status": ["pending", "failed"]}, ["D", "B"], "both"),
        ({"account_id": "nobody"}, [], "an account without orders"),
        ({"attention": "true"}, ["B"], "what asks for attention"),
        ({"attention": "true", "account_id": "acct-tests"}, [], "and is another account's"),
        ({"attention": "false"}, ["D", "C", "A"], "what does not"),
    ],
)
async def test_filters(
    client: httpx.AsyncClient, service: Service, params: dict[str, Any], expected: list[str], reason: str
) -> None:
    await place(service, "A")
    b = await place(service, "B", "other")
    c = await place(service, "C")
    d = await place(service, "D", "other")
    await change(service, b, attention_code="placement_unconfirmed")
    await change(service, c, status=OrderStatus.COMPLETED)
    await change(service, d, status=OrderStatus.FAILED)
    assert await names(client, **params) == expected, reason


async def test_times_bound_the_list(client: httpx.AsyncClient, service: Service) -> None:
    await place(service, "Old")
    middle = await place(service, "Middle")
    await place(service, "New")
    at = (await client.get(f"/v1/orders/{middle}")).json()["created_at"]
    assert await names(client, created_after=at) == ["New"]
    assert await names(client, created_before=at) == ["Old"]
    elsewhere = datetime.fromisoformat(at).astimezone(UTC) + timedelta(hours=3)
    assert await names(client, created_before=elsewhere.isoformat()) == ["New", "Middle", "Old"]


@pytest.mark.parametrize("filtered", [{}, {"status": ["pending", "failed"]}, {"account_id": "acct-tests"}])
async def test_pages_neither_repeat_nor_skip_while_orders_are_added(
    client: httpx.AsyncClient, service: Service, filtered: dict[str, Any]
) -> None:
    for number in range(7):
        await place(service, f"{number}")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/orders", params={**filtered, "limit": 3, **cursor})).json()
        assert len(page["data"]) <= 3
        seen += [order["request"]["name"] for order in page["data"]]
        await place(service, "added meanwhile")
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_orders_of_one_moment_are_all_listed(client: httpx.AsyncClient, service: Service) -> None:
    ids = [await place(service, f"{number}") for number in range(5)]
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    for order_id in ids:
        await change(service, order_id, created_at=moment)
    first = (await client.get("/v1/orders", params={"limit": 2})).json()
    second = (await client.get("/v1/orders", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    found = [order["id"] for order in first["data"] + second["data"]]
    assert sorted(found) == sorted(ids)
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("params", "field", "reason"),
    [
        ({"limit": 101}, "limit", "more than a hundred"),
        ({"limit": 0}, "limit", "none"),
        ({"limit": "many"}, "limit", "no number"),
        ({"status": "done"}, "status.0", "no status of ours"),
        ({"attention": "perhaps"}, "attention", "neither yes nor no"),
        ({"created_after": "yesterday"}, "created_after", "no time"),
        ({"created_after": "1700000000"}, "created_after", "a number is no time"),
        ({"created_after": "2026-11-24T12:00:00"}, "created_after", "no zone"),
        ({"cursor": "abc"}, "cursor", "none of ours"),
        ({"cursor": "*" * 32}, "cursor", "none of ours"),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx.AsyncClient, params: dict[str, Any], field: str, reason: str
) -> None:
    answer = await client.get("/v1/orders", params=params)
    assert answer.status_code == 422, reason
    assert [error["field"] for error in answer.json()["errors"]] == [field], reason


async def test_a_cursor_of_the_end_of_time_leads_to_the_newest(
    client: httpx.AsyncClient, service: Service
) -> None:
    await place(service, "A")
    assert await names(client, cursor="_" * 32) == ["A"]
