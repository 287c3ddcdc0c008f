"""Beside every button stands the `curl` line that does the same, and it does."""

import html
import json
import re
import shlex
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

import app.dashboard
from app.dashboard.curl import curl_line
from app.db.models import LookUp, Order
from app.main import Service
from app.states import OrderStatus
from tests.dashboard.conftest import browser_of, stored_order
from tests.dashboard.test_rights import fill, world
from tests.settings import API_KEY

TEMPLATES = Path(app.dashboard.__file__).parent / "templates"
FORM = re.compile(r'<form[^>]*method="post".*?</form>', re.DOTALL)
LINE = re.compile(r'<details class="curl">.*?<code>(.*?)</code>', re.DOTALL)
SIGNING = ("/ui/sign-in", "/ui/sign-out")
PAGES = (
    "/ui/orders/{order_id}", "/ui/orders/{order_id}/resolve", "/ui/orphans", "/ui/webhooks",
    "/ui/webhooks/{webhook_id}", "/ui/webhooks/{webhook_id}/deliveries/{delivery_id}", "/ui/accounts",
    "/ui/keys", "/ui/doctor",
)  # fmt: skip
EVIL = "x'; touch /tmp/owned; echo '$(id) \"`id`\" <b>\n"


def test_no_form_that_changes_something_stands_without_its_line() -> None:
    forms = {
        (file.name, form)
        for file in TEMPLATES.glob("*.html")
        for form in FORM.findall(file.read_text())
        if not any(each in form for each in SIGNING)
    }
    assert len(forms) > 20
    for name, form in forms:
        assert "parts.same(" in form or "parts.curl(" in form, f"{name}: {form}"


def lines(page: str) -> list[tuple[str, str]]:
    """Return where each form of a page leads and what its button says, and the line beside it."""
    found = []
    for form in FORM.findall(page):
        [action] = re.findall(r'action="([^"]+)"', form)
        button = re.findall(r"<button[^>]*>([^<]*)</button>", form)[-1]
        if action not in SIGNING:
            [line] = LINE.findall(form)
            found.append((f"{action} {button}", html.unescape(line)))
    return found


def read(line: str) -> tuple[str, str, dict[str, Any] | None]:
    """Return what a line sends, as a shell and curl read it."""
    words = shlex.split(line)
    assert words[0] == "curl"
    assert "Authorization: Bearer $PRESSHOOK_API_KEY" in words
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if body is not None else "GET"
    [url] = [word for word in words if word.startswith("http")]
    return method, url, body


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.UNCONFIRMED, OrderStatus.COMPLETED])
async def test_each_line_is_a_request_that_the_api_takes(service: Service, status: OrderStatus) -> None:
    async with browser_of(service, key=API_KEY) as browser, browser_of(service) as api:
        api.headers["Authorization"] = f"Bearer {API_KEY}"
        api.headers["Prefer"] = "wait=0"
        for path in PAGES:
            places = await world(service)
            await put(service, UUID(places["order_id"]), status)
            page = await browser.get(fill(path, places))
            assert page.status_code == 200, path
            for what, line in lines(page.text):
                method, url, body = read(line)
                answer = await api.request(method, url, json=body)
                assert answer.status_code < 400 or answer.status_code in {409, 502}, f"{what}: {answer.text}"
                await world(service)  # what one button has settled is there for the next


async def put(service: Service, order_id: UUID, status: OrderStatus) -> None:
    """Have an order be of a status, with something suspected of it."""
    async with service.db.write() as tx:
        order = await tx.session.get_one(Order, order_id)
        order.status = status
        order.finalized_at = tx.now if status == OrderStatus.COMPLETED else None
        look_up = LookUp(order_id=order_id, candidates=[], suspects=["lost-too"], unseen=[], completed=1)
        tx.session.add(look_up)


async def test_who_copies_a_line_runs_nothing_foreign(service: Service, browser: httpx.AsyncClient) -> None:
    for url, body in ((f"http://h/{EVIL}", None), ("http://h/", {"id": EVIL})):
        words = shlex.split(curl_line(url, "POST", body))
        assert url in words
        assert body is None or json.loads(words[-1]) == body
    order_id = await stored_order(service)
    await put(service, order_id, OrderStatus.UNCONFIRMED)
    async with service.db.write() as tx:
        look_up = await tx.session.get_one(LookUp, order_id)
        look_up.suspects = [EVIL]
    page = (await browser.get(f"/ui/orders/{order_id}/resolve")).text
    adopted = [read(line)[2] for _, line in lines(page)]
    assert {"action": "adopt", "cloudpress_order_id": EVIL} in adopted
