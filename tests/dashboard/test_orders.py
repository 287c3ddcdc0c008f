"""The pages about orders: what they show, that all that is foreign is text, and that no secret is on them."""

import re
from uuid import UUID

import httpx
import pytest

from app.db.models import Order, Site, Task
from app.main import Service
from app.orders.representation import SiteBody
from app.states import OrderStatus
from tests.dashboard.conftest import browser_of, new_key, stored_order
from tests.harness import run_presshook, run_sandbox
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, SECRET_KEY

EVIL = "<script>alert(1)</script>\"'><img src=x>{{ 777 * 777 }}"
NAMES = re.compile(r'<span class="row-name">([^<]*)</span>')


async def test_the_list_shows_first_what_needs_a_person(browser: httpx.AsyncClient, service: Service) -> None:
    asking = await stored_order(service, "Asks")
    await change(service, asking, attention_code="not_sent", attention_detail="Say.")
    for name in ("Old", "New"):
        await stored_order(service, name)
    page = (await browser.get("/ui/orders")).text
    assert NAMES.findall(page) == ["Asks", "New", "Old", "Asks"]
    assert "All that need a person" in page
    only = (await browser.get("/ui/orders?attention=true&name=&status=")).text
    assert NAMES.findall(only) == ["Asks"]


async def change(service: Service, order_id: UUID, **values: object) -> None:
    async with service.db.write() as tx:
        order = await tx.session.get_one(Order, order_id)
        for name, value in values.items():
            setattr(order, name, value)
        if "attention_code" in values:
            order.attention_since = tx.now


async def test_filters_are_in_the_address(browser: httpx.AsyncClient, service: Service) -> None:
    await stored_order(service, "One")
    await stored_order(service, "Two", status=OrderStatus.UNCONFIRMED)
    await stored_order(service, "Two", account_id="acct-other")
    for query, names in {
        "status=unconfirmed": ["Two"],
        "status=unconfirmed&status=pending": ["Two", "Two", "One"],
        "name=Two": ["Two", "Two"],
        "name=Two&account_id=acct-other": ["Two"],
        "name=Tw": [],
        "account_id=acct-nowhere": [],
        "created_after=2999-01-01T00:00": [],
        "created_before=2999-01-01T00:00&status=": ["Two", "Two", "One"],
    }.items():
        assert NAMES.findall((await browser.get(f"/ui/orders?{query}")).text) == names, query


@pytest.mark.parametrize("query", ["status=lost", "cursor=x", "created_after=soon", "name=%00"])
async def test_a_filter_that_is_none_is_named(browser: httpx.AsyncClient, query: str) -> None:
    page = await browser.get(f"/ui/orders?{query}")
    assert page.status_code == 422
    assert f"<b>{query.partition('=')[0]}" in page.text


async def test_pages_follow_each_other_whatever_is_added_meanwhile(
    browser: httpx.AsyncClient, service: Service
) -> None:
    for number in range(120):
        await stored_order(service, f"Site {number:03}")
    path, seen = "/ui/orders?status=pending", []
    for _ in range(3):
        page = (await browser.get(path)).text
        seen += NAMES.findall(page)
        await stored_order(service, "Added meanwhile")
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"Site {number:03}" for number in reversed(range(120))]
    assert not path


async def test_an_order_is_found_by_its_id(browser: httpx.AsyncClient, service: Service) -> None:
    order_id = await stored_order(service)
    answer = await browser.get(f"/ui/orders?name={order_id}")
    assert answer.headers["location"] == f"/ui/orders/{order_id}"


async def test_all_that_is_foreign_is_text(browser: httpx.AsyncClient, service: Service) -> None:
    order_id = await stored_order(
        service,
        EVIL,
        location=EVIL,
        plan=EVIL,
        client_metadata={EVIL[:60]: EVIL},
        payment_url="javascript:alert(1)",
        return_url="https://shop.example/<b>",
        error_code=None,
        cancel_refusal=[EVIL],
    )
    await change(service, order_id, attention_code="not_sent", attention_detail=EVIL)
    async with service.db.write() as tx:
        details: dict[str, object] = {
            "id": EVIL,
            "primary_domain": f"x.example/{EVIL}",
            "ssh": {"username": EVIL, "ipaddr": EVIL, "port": 1},
        }
        foreign = ("name", "location", "region", "package", "php_version", "domain_cname")
        details |= dict.fromkeys(foreign, EVIL) | {"created_at": None, "updated_at": None}
        tx.session.add(Site(order_id=order_id, id="s", details=details, answer=b"{}", read_at=tx.now))
    for path in ("/ui/orders", f"/ui/orders/{order_id}", f"/ui/orders/{order_id}/resolve"):
        page = (await browser.get(path)).text
        assert "<script>" not in page, path
        assert "<img" not in page, path
        assert "{{ 777" in page, path
        assert "603729" not in page, path
        assert "javascript:" not in page, path


async def test_no_secret_is_on_any_page_and_nothing_of_a_page_comes_from_elsewhere(database_url: str) -> None:
    async with run_sandbox() as sandbox, run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Finished")).json()["id"]
        await presshook.until(order_id, "completed")
        client = presshook.client
        credentials = (await client.get(f"/v1/orders/{order_id}/credentials")).json()
        password = credentials["ssh"]["password"]
        signed_in = await client.post("/ui/sign-in", data={"key": API_KEY}, headers={"Origin": presshook.url})
        assert signed_in.status_code == 303
        for path in ("/ui/orders", f"/ui/orders/{order_id}", f"/ui/orders/{order_id}/resolve"):
            page = await client.get(path)
            assert page.status_code == 200
            for secret in (password, API_KEY, CLOUDPRESS_TOKEN, SECRET_KEY):
                assert secret not in page.text, path
            policy = page.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert page.headers["cache-control"] == "no-store"
            assert not re.search(r"<script(?! defer src=\"/ui/static/)|<style| style=| on[a-z]+=", page.text)
            for address in re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', page.text):
                assert address.startswith("/ui/static/")
                assert (await client.get(address)).status_code == 200
        shown = (await client.get(f"/ui/orders/{order_id}")).text
        for told in ("Provisioning → Completed", "CloudPress ended the task", "callback with the right value",
                     "Attempt 1 ended: placed", ".sandbox.example", "credentials"):  # fmt: skip
            assert told in shown, told


async def test_buttons_show_what_the_key_may_and_the_line_that_does_the_same(service: Service) -> None:
    order_id = await stored_order(service)
    for scopes, buttons in ((("orders:read",), 0), (("orders:read", "orders:write"), 2)):
        key = await new_key(service, *scopes)
        async with browser_of(service, key=key.key) as browser:
            page = (await browser.get(f"/ui/orders/{order_id}")).text
            assert page.count(f'action="/ui/orders/{order_id}/') == buttons
            assert page.count("curl -X") == buttons


async def test_what_cannot_be_done_is_a_page_that_says_why(
    browser: httpx.AsyncClient, service: Service
) -> None:
    order_id = await stored_order(service)
    assert (await browser.post(f"/ui/orders/{order_id}/cancel")).status_code == 303
    again = await browser.post(f"/ui/orders/{order_id}/refresh")
    assert again.status_code == 409
    assert "The order is cancelled: nothing changes any more." in again.text
    assert f'href="/ui/orders/{order_id}"' in again.text
    for action in ("", "burn"):
        refused = await browser.post(f"/ui/orders/{order_id}/resolve", data={"action": action})
        assert (refused.status_code, "<b>action</b>" in refused.text) == (422, True)
    nowhere = await browser.get("/ui/orders/01890000-0000-7000-8000-000000000000")
    assert (nowhere.status_code, "There is no such order." in nowhere.text) == (404, True)


async def test_deliveries_are_in_the_timeline_of_who_may_read_them(
    browser: httpx.AsyncClient, service: Service
) -> None:
    hook = "https://shop.example/hook"
    made = await browser.post(
        "/v1/webhooks", json={"url": hook}, headers={"Authorization": f"Bearer {API_KEY}"}
    )
    assert made.status_code == 201, made.text
    order_id = await stored_order(service)
    await browser.post(f"/ui/orders/{order_id}/cancel")
    for scopes, account, sees in (
        (("orders:read", "webhooks:write"), None, True),
        (("orders:read",), None, False),
        (("orders:read", "webhooks:write"), CLOUDPRESS_ACCOUNT, False),
    ):
        key = await new_key(service, *scopes, account=account)
        async with browser_of(service, key=key.key) as other:
            page = (await other.get(f"/ui/orders/{order_id}")).text
            assert (hook in page) is sees, "a webhook of every account is none of one account's"


async def test_a_page_is_small_over_the_wire(browser: httpx.AsyncClient, service: Service) -> None:
    for number in range(60):
        await stored_order(service, f"Site {number:03}")
    page = await browser.get("/ui/orders", headers={"Accept-Encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    first_visit = [int(page.headers["content-length"])]
    assert first_visit[0] < 60_000
    for address in re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', page.text):
        asset = await browser.get(address, headers={"Accept-Encoding": "gzip"})
        assert "immutable" in asset.headers["cache-control"]
        first_visit.append(int(asset.headers["content-length"]))
    assert sum(first_visit) < 120_000


async def test_while_the_database_is_away_the_page_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_arguments: object, **_options: object) -> None:
        raise ConnectionRefusedError

    async def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("s3cr3t")

    order_id = await stored_order(service)
    async with browser_of(service, key=API_KEY) as browser:
        for defect, status in ((away, 503), (broken, 500)):
            monkeypatch.setattr("app.api.visible.find_order", defect)
            page = await browser.get(f"/ui/orders/{order_id}")
            assert page.status_code == status
            assert page.headers["content-type"].startswith("text/html")
            assert "s3cr3t" not in page.text


async def test_what_cloudpress_has_not_told_of_a_way_in_is_not_shown_as_none(
    browser: httpx.AsyncClient, service: Service
) -> None:
    order_id = await stored_order(service)
    async with service.db.write() as tx:
        ssh = {"ipaddr": "192.0.2.213", "username": None, "port": None}
        details = {
            "id": "s", "name": None, "primary_domain": None, "location": None, "region": None,
            "package": None, "php_version": None, "domain_cname": None, "created_at": None,
            "updated_at": None, "ssh": ssh,
        }  # fmt: skip
        tx.session.add(Site(order_id=order_id, id="s", details=details, answer=b"{}", read_at=tx.now))
    page = (await browser.get(f"/ui/orders/{order_id}")).text
    assert "192.0.2.213" in page
    assert "None" not in page


@pytest.mark.parametrize(
    ("ssh", "shown"),
    [
        ({"ipaddr": "192.0.2.213", "username": "site", "port": 22}, "<code>site@192.0.2.213:22</code>"),
        ({"ipaddr": "192.0.2.213", "username": "site", "port": None}, "<code>site@192.0.2.213</code>"),
        ({"ipaddr": None, "username": "site", "port": 22}, "address not told</span> <code>site</code>"),
        ({"ipaddr": None, "username": None, "port": None}, "address not told</span> <span"),
    ],
)
async def test_of_a_way_in_and_a_task_what_cloudpress_has_not_told_is_said_so(
    browser: httpx.AsyncClient, service: Service, ssh: dict[str, object], shown: str
) -> None:
    order_id = await stored_order(service)
    names = set(SiteBody.model_fields) - {"id", "ssh"}
    async with service.db.write() as tx:
        details = {"id": "s", "ssh": ssh, **dict.fromkeys(names)}
        tx.session.add(Site(order_id=order_id, id="s", details=details, answer=b"{}", read_at=tx.now))
        tx.session.add(Task(order_id=order_id, id=7, status=""))
    page = (await browser.get(f"/ui/orders/{order_id}")).text
    assert shown in page
    assert "<b>not told</b>" in page
    assert "None" not in page
