"""Every page and button, tried by keys of different rights: each may exactly what it may at the API."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.dashboard.application import ROUTERS
from app.dashboard.page import OpenPage, Page
from app.db.models import Account, ApiKey, Delivery, Order, Orphan, Webhook
from app.events.timeline import Actor
from app.keys.changing import revoke_key
from app.main import Service
from app.maintenance.doctor.repeating import Repeating
from tests.dashboard.conftest import browser_of, new_key, stored_order
from tests.harness import run_presshook
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT

OTHER_ACCOUNT = "acct-other"
ORDER_SCOPES = ("orders:read", "orders:write")
ALL_SCOPES = (
    *ORDER_SCOPES, "orders:erase", "credentials:read", "accounts:write", "keys:write", "webhooks:write",
    "metrics:read",
)  # fmt: skip
KEYS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "reads": (("orders:read",), CLOUDPRESS_ACCOUNT),
    "writes elsewhere": (ORDER_SCOPES, OTHER_ACCOUNT),
    "all elsewhere": (ALL_SCOPES, OTHER_ACCOUNT),
    "writes and reads nothing": (("orders:write", "keys:write", "accounts:write", "webhooks:write"), None),
    "metrics": (("metrics:read",), None),
}


@dataclass(frozen=True)
class Row:
    """A page or a button, and what it is at the API. None: what is said there has no part in the API."""

    api: tuple[str, str] | None
    body: dict[str, Any] = field(default_factory=dict)
    """What the form sends; `json` of the API where that is another."""
    json: dict[str, Any] | None = None
    further: tuple[str, str] | None = None
    """What else a key has to be able to read that sees the page."""


ORPHAN = {"account_id": CLOUDPRESS_ACCOUNT, "cloudpress_order_id": "lost"}
ANYBODY = Row(None)
STREAM = Row(("GET", "/v1/events"))
ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/ui"): ANYBODY,
    ("GET", "/ui/{rest:path}"): ANYBODY,
    ("GET", "/ui/stream"): STREAM,
    ("GET", "/ui/orders"): Row(("GET", "/v1/orders")),
    ("GET", "/ui/orders/{order_id}"): Row(("GET", "/v1/orders/{order_id}")),
    ("POST", "/ui/orders/{order_id}/refresh"): Row(("POST", "/v1/orders/{order_id}/refresh")),
    ("GET", "/ui/orders/{order_id}/resolve"): Row(
        ("POST", "/v1/orders/{order_id}/resolve"),
        json={"action": "dismiss_duplicates"},
        further=("GET", "/v1/orders/{order_id}"),
    ),
    ("POST", "/ui/orders/{order_id}/resolve"): Row(
        ("POST", "/v1/orders/{order_id}/resolve"), {"action": "dismiss_duplicates"}
    ),
    ("POST", "/ui/orders/{order_id}/cancel"): Row(("DELETE", "/v1/orders/{order_id}")),
    ("POST", "/ui/orders/{order_id}/erase"): Row(("DELETE", "/v1/orders/{order_id}/data")),
    ("GET", "/ui/orphans"): Row(("GET", "/v1/orphans")),
    ("POST", "/ui/orphans/adopt"): Row(("POST", "/v1/orphans/adopt"), ORPHAN),
    ("POST", "/ui/orphans/dismiss"): Row(("POST", "/v1/orphans/dismiss"), ORPHAN),
}
WEBHOOK, DELIVERY = "/webhooks/{webhook_id}", "/webhooks/{webhook_id}/deliveries/{delivery_id}"
SINCE = {"since": "2026-11-01T00:00:00Z"}
ROWS |= {
    ("GET", "/ui/webhooks"): Row(("GET", "/v1/webhooks")),
    ("POST", "/ui/webhooks"): Row(("POST", "/v1/webhooks"), {"url": "https://shop.example/hook"}),
    ("GET", f"/ui{WEBHOOK}"): Row(("GET", f"/v1{WEBHOOK}")),
    ("GET", f"/ui{DELIVERY}"): Row(("GET", f"/v1{DELIVERY}")),
    ("POST", f"/ui{DELIVERY}/redeliver"): Row(("POST", f"/v1{DELIVERY}/redeliver")),
    ("POST", f"/ui{WEBHOOK}/redeliver"): Row(("POST", f"/v1{WEBHOOK}/redeliver"), SINCE),
    ("POST", f"/ui{WEBHOOK}/test"): Row(("POST", f"/v1{WEBHOOK}/test")),
    ("POST", f"/ui{WEBHOOK}/rotate"): Row(
        ("POST", f"/v1{WEBHOOK}/rotate"), {"grace_hours": "1"}, {"grace_seconds": 3600}
    ),
    ("POST", f"/ui{WEBHOOK}/enable"): Row(("PATCH", f"/v1{WEBHOOK}"), json={"enabled": True}),
    ("POST", f"/ui{WEBHOOK}/disable"): Row(("PATCH", f"/v1{WEBHOOK}"), json={"enabled": False}),
    ("POST", f"/ui{WEBHOOK}/remove"): Row(("DELETE", f"/v1{WEBHOOK}")),
    ("GET", "/ui/accounts"): Row(("GET", "/v1/accounts")),
    ("POST", "/ui/accounts"): Row(
        ("PUT", f"/v1/accounts/{OTHER_ACCOUNT}"), {"id": OTHER_ACCOUNT, "name": "Other"}, {"name": "Other"}
    ),
    ("POST", "/ui/accounts/remove"): Row(("DELETE", f"/v1/accounts/{OTHER_ACCOUNT}"), {"id": OTHER_ACCOUNT}),
    ("GET", "/ui/keys"): Row(("GET", "/v1/keys")),
    ("POST", "/ui/keys"): Row(
        ("POST", "/v1/keys"),
        {"name": "n", "scope": "metrics:read"},
        {"name": "n", "scopes": ["metrics:read"]},
    ),
    ("POST", "/ui/keys/{key_id}/rotate"): Row(
        ("POST", "/v1/keys/{key_id}/rotate"), {"grace_hours": "1"}, {"grace_seconds": 3600}
    ),
    ("POST", "/ui/keys/{key_id}/revoke"): Row(("DELETE", "/v1/keys/{key_id}")),
    ("GET", "/ui/doctor"): Row(("GET", "/v1/checks")),
    ("POST", "/ui/doctor/run"): Row(("POST", "/v1/checks/run")),
    ("GET", "/ui/live"): Row(("GET", "/v1/events")),
    ("GET", "/ui/audit"): Row(("GET", "/v1/events")),
}
WITHOUT_A_KEY = {
    ("GET", "/ui/"),
    ("GET", "/ui/static/{name}"),
    ("GET", "/ui/sign-in"),
    ("POST", "/ui/sign-in"),
    ("POST", "/ui/sign-out"),
}


def routes(*, open_ones: bool) -> set[tuple[str, str]]:
    """Return every page and button, those that need a sign-in or the others."""
    return {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, OpenPage) and isinstance(route, Page) is not open_ones
        for method in route.methods or ()
    }


def test_every_page_and_button_has_a_row() -> None:
    assert all(isinstance(route, OpenPage) for router in ROUTERS for route in router.routes)
    assert routes(open_ones=False) == ROWS.keys()
    assert routes(open_ones=True) == WITHOUT_A_KEY


async def test_who_has_not_signed_in_sees_and_does_nothing(service: Service) -> None:
    places = await world(service)
    async with browser_of(service) as browser:
        for (method, path), row in ROWS.items():
            answer = await browser.request(method, fill(path, places), data=row.body or None)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/ui/sign-in"), path
    async with service.db.read() as session:
        assert await unchanged(session, places)


def fill(path: str, places: dict[str, str]) -> str:
    """Return an address with what stands in it."""
    for name, value in places.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def world(service: Service) -> dict[str, str]:
    """Make one of everything, and return what stands in addresses."""
    order_id = await stored_order(service)
    async with service.db.write() as tx:
        hook = Webhook(
            id=uuid7(), url="https://shop.example/hook", is_enabled=True, secret=b"whsec_s3cr3t",
            created_at=tx.now, updated_at=tx.now,
        )  # fmt: skip
        tx.session.add(hook)
        await tx.session.flush()
        sent = Delivery(id=uuid7(), webhook_id=hook.id, status="failed", created_at=tx.now)
        key_id = uuid7()
        key = ApiKey(
            id=key_id, name="k", start="phk_", hash=str(key_id), scopes=["orders:write"], created_at=tx.now
        )
        tx.session.add_all([sent, key])
        await tx.session.execute(delete(Orphan))
        tx.session.add(Orphan(**ORPHAN, site_name="Rosa's Lost Bakery", found_at=tx.now))
        if await tx.session.get(Account, OTHER_ACCOUNT) is None:
            tx.session.add(Account(id=OTHER_ACCOUNT, token=b"t0k3n", created_at=tx.now, updated_at=tx.now))
    ids = {"order_id": order_id, "webhook_id": hook.id, "delivery_id": sent.id, "key_id": key_id}
    return {**{name: str(value) for name, value in ids.items()}, "rest:path": "nothing"}


@pytest.fixture(autouse=True)
def checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the checks find is another test's."""

    async def nothing(_self: Repeating) -> None:
        return

    monkeypatch.setattr(Repeating, "round", nothing)


async def unchanged(session: AsyncSession, places: dict[str, str]) -> bool:
    """Tell whether nobody has done anything to the order."""
    order = await session.get_one(Order, UUID(places["order_id"]))
    hook = await session.get_one(Webhook, UUID(places["webhook_id"]))
    key = await session.get_one(ApiKey, UUID(places["key_id"]))
    made = (await session.execute(select(func.count()).select_from(Webhook))).scalar_one()
    untouched = hook.is_enabled and key.revoked_at is None and key.rotated_at is None and made == 1
    return order.status == "pending" and order.wakes == 0 and untouched


async def at_the_api(api: httpx.AsyncClient, row: Row, places: dict[str, str]) -> int:
    """Return what the API says to the same."""
    if row.api is None:
        return 200
    statuses = []
    for asked in (row.api, row.further):
        if asked is not None:
            method, path = asked
            json = row.json if row.json is not None else row.body
            is_sent = json and method != "GET" and asked is row.api
            answer = await api.request(method, fill(path, places), json=json if is_sent else None)
            statuses.append(answer.status_code)
    return max(statuses, key=lambda status: (status in {401, 403}, status == 404))


async def test_no_key_sees_or_does_what_the_api_would_not_let_it(service: Service) -> None:
    places = await world(service)
    for name, (scopes, account) in KEYS.items():
        key = (await new_key(service, *scopes, account=account)).key
        api_headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=0"}
        async with browser_of(service, key=key) as browser, browser_of(service) as api:
            api.headers.update(api_headers)
            for (method, path), row in ROWS.items():
                if row is STREAM:
                    continue
                if method == "POST":
                    places = await world(service)
                answer = await browser.request(method, fill(path, places), data=row.body or None)
                if row.api is None:
                    continue
                if method == "POST":
                    places = await world(service)
                said = await at_the_api(api, row, places)
                what = f"{method} {path} by {name}: the API says {said}"
                if said in {403, 404}:
                    assert answer.status_code == said, what
                else:
                    assert answer.status_code in {200, 303, said}, what
                if said >= 400:
                    assert "Rosa" not in answer.text, what
                for secret in ("s3cr3t", "t0k3n", key):
                    assert secret not in answer.text, what


async def test_the_key_that_may_everything_can_do_all_of_it(service: Service) -> None:
    async with browser_of(service, key=API_KEY) as browser:
        for (method, path), row in ROWS.items():
            if row is STREAM:
                continue
            places = await world(service)
            answer = await browser.request(method, fill(path, places), data=row.body or None)
            wanted = {404} if "rest:path" in path else {200, 303, 409}
            if path == "/ui/accounts" and method == "POST":
                wanted = {303}
            assert answer.status_code in wanted, f"{method} {path}"


async def test_a_stream_tells_of_nothing_that_the_key_may_not_see(database_url: str) -> None:
    """It never ends, so it is looked at over a real connection."""
    async with run_presshook(database_url, "http://127.0.0.1:9", reconcile=False) as presshook:
        service, url = presshook.service, presshook.url
        ours = await stored_order(service)
        for scopes, account, path, status in (
            (("orders:read",), None, "/ui/stream", 200),
            (("orders:read",), CLOUDPRESS_ACCOUNT, f"/ui/stream?order_id={ours}", 200),
            (("orders:read",), OTHER_ACCOUNT, f"/ui/stream?order_id={ours}", 404),
            (("metrics:read",), None, "/ui/stream", 403),
            (("metrics:read",), None, f"/ui/stream?order_id={ours}", 403),
        ):
            key = await new_key(service, *scopes, account=account)
            async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=20) as browser:
                assert (await browser.post("/ui/sign-in", data={"key": key.key})).status_code == 303
                async with browser.stream("GET", path) as stream:
                    assert stream.status_code == status, path


async def test_a_stream_ends_with_its_key_and_is_silent_about_other_accounts(database_url: str) -> None:
    async with run_presshook(database_url, "http://127.0.0.1:9", reconcile=False) as presshook:
        service, url = presshook.service, presshook.url
        theirs = await stored_order(service, account_id=OTHER_ACCOUNT)
        key = await new_key(service, "orders:read", account=CLOUDPRESS_ACCOUNT)
        async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=20) as browser:
            await browser.post("/ui/sign-in", data={"key": key.key})
            async with browser.stream("GET", "/ui/stream") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "retry: 1000"
                assert (await presshook.client.delete(f"/v1/orders/{theirs}")).status_code == 200
                await revoke_key(service.db, key.id, by=Actor("tests"))
                assert [line async for line in lines if line] == []
