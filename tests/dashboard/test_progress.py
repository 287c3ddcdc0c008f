"""The end user's page: what it shows, to whom, and that it shows nothing else."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app.api.bodies.orders import OrderRequest
from app.dashboard.brand import ink_on
from app.dashboard.routes.progress import steps
from app.db.models import Order, Site
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.main import Service, create_app
from app.orders.erasing import erase_order
from app.orders.intake import fingerprint_of
from app.secrets import ProgressAddresses
from app.states import OrderStatus
from tests.dashboard.conftest import HERE, browser_of
from tests.harness import run_presshook, run_sandbox
from tests.settings import API_KEY, SECRET_KEY, make_settings

WITH_KEY = {"Authorization": f"Bearer {API_KEY}", "Prefer": "wait=0"}
SITE = {"name": "Secret Name", "variant": "vanilla"}


@pytest.fixture
async def public(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key."""
    async with browser_of(service) as browser:
        yield browser


async def ordered(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/orders", json={"site": SITE, **more}, headers=WITH_KEY)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


def path_of(order: dict[str, Any]) -> str:
    assert order["progress_url"].startswith(f"{HERE}/progress/")
    return str(order["progress_url"]).removeprefix(HERE)


async def change(service: Service, order_id: str, **values: object) -> None:
    async with service.db.write() as tx:
        order = await tx.session.get_one(Order, UUID(order_id))
        for name, value in values.items():
            setattr(order, name, value)
        if values.get("status") == OrderStatus.AWAITING_PAYMENT:
            record(tx, order.id, EventType.PAYMENT_REQUIRED)
        if values.get("status") in {OrderStatus.COMPLETED, OrderStatus.FAILED}:
            order.finalized_at, order.due_at = tx.now, None


async def test_only_who_asks_for_a_page_gets_one(public: httpx.AsyncClient) -> None:
    assert (await ordered(public))["progress_url"] is None
    order = await ordered(public, progress_page=True)
    assert order["request"]["return_url"] == order["progress_url"]
    own = {**SITE, "return_url": "https://shop.example/thanks"}
    other = await public.post("/v1/orders", json={"site": own, "progress_page": True}, headers=WITH_KEY)
    assert other.json()["request"]["return_url"] == "https://shop.example/thanks"
    assert other.json()["progress_url"] not in {None, order["progress_url"]}


def test_a_request_that_does_not_ask_for_it_is_told_from_others_as_before() -> None:
    def digest(**more: object) -> str:
        return fingerprint_of(OrderRequest.model_validate({"site": SITE, **more}).told())

    first = {
        "account_id": None,
        "metadata": {},
        "site": {**SITE, "location": None, "plan": None, "return_url": None},
    }
    assert digest() == digest(progress_page=False) == fingerprint_of(first)
    assert digest(progress_page=True) != digest()


async def test_a_repeated_request_has_the_same_page(public: httpx.AsyncClient) -> None:
    headers = {**WITH_KEY, "Idempotency-Key": "again"}
    body = {"site": SITE, "progress_page": True}
    urls = {
        (await public.post("/v1/orders", json=body, headers=headers)).json()["progress_url"] for _ in "ab"
    }
    assert len(urls) == 1
    without = await public.post("/v1/orders", json={"site": SITE}, headers=headers)
    assert without.status_code == 409


async def test_the_page_tells_how_far_it_is_and_nothing_else(
    public: httpx.AsyncClient, service: Service
) -> None:
    order = await ordered(public, progress_page=True, metadata={"customer": "4711"})
    path = path_of(order)
    assert "It is being passed on." in (await public.get(path)).text
    payment = "https://pay.example/x?a=1&b=2"
    await change(service, order["id"], status=OrderStatus.AWAITING_PAYMENT, payment_url=payment)
    page = (await public.get(path)).text
    assert 'href="https://pay.example/x?a=1&amp;b=2"' in page
    await change(service, order["id"], status=OrderStatus.PROVISIONING)
    page = (await public.get(path)).text
    assert "pay.example" not in page
    assert "being built" in page
    async with service.db.write() as tx:
        site = {
            "id": "s",
            "primary_domain": "rosa.example",
            "name": "Secret Name",
            "ssh": {"ipaddr": "192.0.2.9"},
        }
        tx.session.add(Site(order_id=UUID(order["id"]), id="s", details=site, answer=b"{}", read_at=tx.now))
    assert "rosa.example" not in (await public.get(path)).text, "it is not there yet"
    await change(service, order["id"], status=OrderStatus.COMPLETED)
    page = (await public.get(path)).text
    assert 'href="https://rosa.example/"' in page
    assert "data-stream" not in page, "nothing more will come"
    for told in (
        "Secret Name",
        "4711",
        order["account_id"],
        order["id"],
        "192.0.2.9",
        "CloudPress",
        "Presshook",
    ):
        assert told not in page, told


async def test_what_is_foreign_is_neither_run_nor_followed(
    public: httpx.AsyncClient, service: Service
) -> None:
    order = await ordered(public, progress_page=True)
    await change(service, order["id"], status=OrderStatus.AWAITING_PAYMENT, payment_url="javascript:alert(1)")
    assert "javascript" not in (await public.get(path_of(order))).text
    async with service.db.write() as tx:
        site = {"primary_domain": "x.example/<script>alert(1)</script>"}
        tx.session.add(Site(order_id=UUID(order["id"]), id="s", details=site, answer=b"{}", read_at=tx.now))
    await change(service, order["id"], status=OrderStatus.COMPLETED)
    page = (await public.get(path_of(order))).text
    assert "<script>" not in page
    assert "https://x.example" not in page


@pytest.mark.parametrize("is_paid_for", [True, False])
def test_the_steps_follow_each_other(*, is_paid_for: bool) -> None:
    def states(status: OrderStatus) -> list[str]:
        return [step.state for step in steps(status, is_paid_for=is_paid_for)]

    rest = ["later"] if is_paid_for else []
    for status in (OrderStatus.PENDING, OrderStatus.PLACING, OrderStatus.UNCONFIRMED):
        assert states(status) == ["done", "now", *rest, "later"]
    if is_paid_for:
        assert states(OrderStatus.AWAITING_PAYMENT) == ["done", "now", "later", "later"]
        assert states(OrderStatus.PROVISIONING) == ["done", "done", "now", "later"]
    else:
        assert states(OrderStatus.PROVISIONING) == ["done", "now", "later"]
    assert set(states(OrderStatus.COMPLETED)) == {"done"}
    assert set(states(OrderStatus.FAILED)[1:]) == {"never"}


async def test_an_address_that_we_have_not_made_is_no_page_and_costs_no_look(
    public: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = await ordered(public)
    order = await ordered(public, progress_page=True)
    right = path_of(order)
    ours = ProgressAddresses([SECRET_KEY])
    there = (await public.get(f"/progress/{ours.address(UUID(without['id']))}")).status_code
    nowhere = (await public.get(f"/progress/{ours.address(uuid7())}")).status_code
    assert (there, nowhere) == (404, 404), "an order without a page, and none"

    async def look(*_arguments: object, **_options: object) -> None:
        raise AssertionError("looked")

    monkeypatch.setattr("app.dashboard.routes.progress.find_order", look)
    other = ProgressAddresses(["another secret key of a deployment elsewhere"]).address(UUID(order["id"]))
    swapped = right[:-1] + ("A" if right[-1] != "A" else "B")
    wrong = (other, swapped.removeprefix("/progress/"), "x", "ä", "%00", order["id"])
    for path in (*(f"/progress/{each}" for each in wrong), right[:-1], f"{right}A", f"{swapped}/stream"):
        answer = await public.get(path)
        assert answer.status_code == 404, path
        assert "There is no such page." in answer.text


def test_every_key_of_the_list_is_known_and_the_first_signs() -> None:
    order_id = uuid7()
    before, now = ProgressAddresses([SECRET_KEY]), ProgressAddresses(["a newer key", SECRET_KEY])
    assert now.order_id(before.address(order_id)) == now.order_id(now.address(order_id)) == order_id
    assert before.order_id(now.address(order_id)) is None


async def test_of_an_erased_order_there_is_no_page(public: httpx.AsyncClient, service: Service) -> None:
    order = await ordered(public, progress_page=True)
    await change(service, order["id"], status=OrderStatus.FAILED)
    assert "could not be built" in (await public.get(path_of(order))).text
    await erase_order(service.db, UUID(order["id"]), by=Actor("tests"))
    assert (await public.get(path_of(order))).status_code == 404
    shown = (await public.get(f"/v1/orders/{order['id']}", headers=WITH_KEY)).json()
    assert (shown["progress_url"], shown["request"]["return_url"]) == (None, None)


async def test_no_search_engine_and_nobody_else_is_told_of_it(database_url: str) -> None:
    look = {
        "brand_name": "Rosa & Söhne",
        "brand_color": "#ffee00",
        "brand_logo_url": "https://rosa.example/l.svg",
    }
    service = Service(make_settings(database_url, dashboard="off", **look))
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        httpx.AsyncClient(transport=httpx.ASGITransport(create_app(service)), base_url=HERE) as public,
    ):
        page = await public.get(path_of(await ordered(public, progress_page=True)))
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-robots-tag"] == "noindex"
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "img-src 'self' https://rosa.example;" in policy
        assert "unsafe" not in policy
        assert "Rosa &amp; Söhne" in page.text
        loaded = re.findall(r'<(?:script defer src|link rel="[^"]*"[^>]* href|img src)="([^"]+)"', page.text)
        assert [each for each in loaded if not each.startswith("/progress/static/")] == [
            look["brand_logo_url"]
        ]
        for address in loaded:
            if address.startswith("/"):
                assert (await public.get(address)).status_code == 200
        styles = (await public.get("/progress/static/brand.css")).text
        assert styles == ":root { --brand: #ffee00; --brand-ink: #000000; }\n"
        assert (await public.get("/progress/static/app.css")).status_code == 404


@pytest.mark.parametrize(
    ("colour", "ink"), [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#0b5c63", "#ffffff")]
)
def test_what_is_written_on_the_brands_colour_can_be_read(colour: str, ink: str) -> None:
    assert ink_on(colour) == ink


async def test_the_page_is_told_when_to_look_again_and_not_why(database_url: str) -> None:
    async with run_sandbox() as sandbox, run_presshook(database_url, sandbox.url) as presshook:
        body = {"site": {"name": "Watched [payment-first]", "variant": "vanilla"}, "progress_page": True}
        order = (await presshook.client.post("/v1/orders", json=body)).json()
        async with (
            httpx.AsyncClient(timeout=20) as public,
            public.stream("GET", f"{order['progress_url']}/stream") as stream,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 1000"
            await presshook.client.delete(f"/v1/orders/{order['id']}")
            told = [await anext(lines) for _ in range(3)]
            assert told == ["", "event: change", "data: 1"]
        await presshook.until(order["id"], "cancelled")
        async with httpx.AsyncClient() as public:
            over = await public.get(f"{order['progress_url']}/stream")
            assert over.status_code == 204
