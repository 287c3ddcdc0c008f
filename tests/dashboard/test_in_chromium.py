"""The pages in a real Chromium: an operator's day, an end user's purchase, no JavaScript, axe on each."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from app.events.timeline import Actor
from app.keys.changing import revoke_key
from tests.dashboard.chromium import MISSING, find_chromium, run_chromium
from tests.dashboard.conftest import new_key
from tests.dashboard.gallery import SETTINGS, hang
from tests.databases import SqliteFiles
from tests.harness import NEVER_SECONDS, Presshook, Sandbox, run_presshook, run_sandbox
from tests.receiver import LOCAL_NETWORKS, run_receiver
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT

pytestmark = [
    pytest.mark.skipif(find_chromium() is None, reason=MISSING),
    pytest.mark.asyncio(loop_scope="module"),
]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN_AXE = """axe.run(document, {
    resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
})"""
PATIENCE_MILLISECONDS = 20_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests here."""
    async with run_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(sqlite_files: SqliteFiles) -> AsyncIterator[tuple[Presshook, Sandbox]]:
    """A service and a sandbox for all of them: what they show is the same on every database."""
    settings = {
        **SETTINGS,
        "placement_grace_seconds": NEVER_SECONDS,
        "webhook_allowed_networks": LOCAL_NETWORKS,
    }
    with sqlite_files.migrated_url() as url:
        async with (
            run_sandbox(task_seconds=1) as sandbox,
            run_presshook(url, sandbox.url, **settings) as presshook,
        ):
            yield presshook, sandbox


async def signed_in(chromium: Browser, presshook: Presshook, key: str = API_KEY, **options: Any) -> Page:
    context = await chromium.new_context(base_url=presshook.url, **options)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    await page.goto("/ui")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    return page


async def test_an_order_is_followed_from_placing_to_completed_while_the_page_changes_by_itself(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    page = await signed_in(chromium, presshook)
    await page.get_by_role("link", name="Orders", exact=True).click()
    placed = (await presshook.order("Followed [payment-first]", wait=0)).json()
    order = await presshook.until(placed["id"], "awaiting_payment")
    # The list has it without being reloaded.
    await page.get_by_role("link", name="Followed").click()
    await expect(page.locator(".headline .chip")).to_have_text("Awaiting payment")
    await page.evaluate("window.stayed = true")
    await page.get_by_text("the same with curl").filter(visible=True).first.click()
    await pay(page.context, order["payment_url"])
    await expect(page.locator(".headline .chip")).to_have_text("Completed")
    await expect(page.get_by_role("link", name=".sandbox.example")).to_be_visible()
    assert await page.evaluate("window.stayed"), "the page was not loaded anew"
    assert page.url == f"{presshook.url}/ui/orders/{order['id']}"
    await page.context.close()


async def test_what_happens_before_the_stream_has_begun_is_shown(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    page = await signed_in(chromium, presshook)
    is_asked_for, may_begin = asyncio.Event(), asyncio.Event()

    async def begin_late(route: Route) -> None:
        is_asked_for.set()
        await may_begin.wait()
        await route.continue_()

    await page.route("**/ui/stream*", begin_late)
    await page.goto("/ui/orders")
    await asyncio.wait_for(is_asked_for.wait(), PATIENCE_MILLISECONDS / 1000)
    placed = (await presshook.order("In between [payment-first]", wait=0)).json()
    await presshook.until(placed["id"], "awaiting_payment")
    may_begin.set()
    await expect(page.get_by_role("link", name="In between")).to_be_attached()
    await page.context.close()


async def pay(context: BrowserContext, payment_url: str) -> None:
    """Pay for an order, as its end user does."""
    page = await context.new_page()
    await page.goto(payment_url)
    await page.get_by_role("button", name="Pay").click()
    await page.close()


async def test_focus_scroll_and_what_is_open_and_typed_stay(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    page = await signed_in(chromium, presshook, viewport={"width": 390, "height": 400})
    await page.goto("/ui/orders")
    await page.get_by_label("or an order").fill("half a na")
    await page.evaluate("scrollTo(0, 120)")
    before = await page.evaluate("scrollY")
    await presshook.order("Comes in between", wait=2)
    await expect(page.get_by_role("link", name="Comes in between")).to_be_attached()
    assert await page.evaluate("document.activeElement.id") == "name"
    assert await page.get_by_label("or an order").input_value() == "half a na"
    assert await page.evaluate("scrollY") == before
    await page.context.close()


async def test_the_end_user_pays_and_comes_back_to_the_progress_page(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    body = {"site": {"name": "Bought [payment-first]", "variant": "vanilla"}, "progress_page": True}
    order = (await presshook.client.post("/v1/orders", json=body)).json()
    context = await chromium.new_context()
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    await page.goto(order["progress_url"])
    await page.get_by_role("link", name="Go to the payment").click()
    await page.get_by_role("button", name="Pay").click()
    await page.wait_for_url(order["progress_url"])
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your site is ready.")
    await expect(page.get_by_role("link", name="Open ")).to_be_visible()
    await context.close()


async def test_an_ambiguous_order_is_resolved(chromium: Browser, running: tuple[Presshook, Sandbox]) -> None:
    presshook, sandbox = running
    order_id = (await presshook.order("Doubtful [place-lost] [payment-first]", wait=0)).json()["id"]
    await presshook.until(order_id, "unconfirmed")
    [made] = await sandbox.orders("Doubtful [place-lost] [payment-first]")
    page = await signed_in(chromium, presshook)
    await page.goto(f"/ui/orders/{order_id}")
    await page.get_by_role("link", name="Resolve").click()
    await page.get_by_label("id of the order").fill(made["id"])
    await page.get_by_role("button", name="Adopt", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("is that CloudPress order")
    await expect(page.locator(".headline .chip")).to_have_text("Awaiting payment")
    await page.context.close()


async def test_a_delivery_that_failed_is_sent_again(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    async with run_receiver() as receiver:
        receiver.status = 400
        page = await signed_in(chromium, presshook)
        await page.goto("/ui/webhooks")
        await page.get_by_label("Address").fill(receiver.url)
        await page.get_by_role("button", name="Make the webhook").click()
        secret = await page.locator(".secret").inner_text()
        receiver.secrets.append(secret.strip())
        await page.get_by_role("link", name="I have it").click()
        await page.get_by_role("button", name="Send a test").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("webhook.test")
        await expect(page.get_by_text("400", exact=True)).to_be_visible()
        receiver.status = 204
        await page.get_by_role("button", name="Send again").click()
        await expect(page.locator(".headline .chip")).to_have_text("Delivered")
        await expect(
            page.get_by_role("heading", name="Attempts").locator("xpath=..").get_by_role("listitem")
        ).to_have_count(2)
        await page.get_by_role("link", name=receiver.url).click()
        await page.get_by_text("Remove …").click()
        await page.get_by_role("button", name="Remove the webhook").click()
        await expect(page.get_by_role("status")).to_contain_text("are gone")
        await page.context.close()


async def test_a_revoked_key_is_out(chromium: Browser, running: tuple[Presshook, Sandbox]) -> None:
    presshook, _ = running
    key = await new_key(presshook.service, "orders:read", account=CLOUDPRESS_ACCOUNT)
    page = await signed_in(chromium, presshook, key.key)
    await page.goto("/ui/orders")
    await revoke_key(presshook.service.db, key.id, by=Actor("tests"))
    # Its stream ends with it, and the page goes by itself to where one signs in.
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await expect(page.get_by_role("status")).to_contain_text("signed in no more")
    await page.context.close()


async def test_without_javascript_the_same_by_reloading(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    page = await signed_in(chromium, presshook, java_script_enabled=False)
    order_id = (await presshook.order("By hand", wait=2)).json()["id"]
    await page.get_by_role("link", name="Orders", exact=True).click()
    await page.get_by_role("link", name="By hand").click()
    await presshook.until(order_id, "completed")
    await page.reload()
    await expect(page.locator(".headline .chip")).to_have_text("Completed")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.context.close()


async def test_a_link_from_elsewhere_leads_to_the_page_of_who_has_signed_in(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    page = await signed_in(chromium, presshook)
    elsewhere = presshook.url.replace("127.0.0.1", "localhost")
    await page.route(f"{elsewhere}/mail", lambda route: route.fulfill(
        content_type="text/html", body=f'<a href="{presshook.url}/ui/orders?status=failed">look</a>'
    ))  # fmt: skip
    await page.goto(f"{elsewhere}/mail")
    await page.get_by_role("link", name="look").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
    assert page.url == f"{presshook.url}/ui/orders?status=failed"
    await page.context.close()


async def violations(page: Page, name: str) -> list[str]:
    """Return what axe finds wrong with a page."""
    found = []
    await page.evaluate(AXE)
    for scheme in ("light", "dark"):
        await page.emulate_media(
            color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
        )
        results = await page.evaluate(RUN_AXE)
        found += [
            f"{name} {scheme}: {each['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
            for each in results["violations"]
            for node in each["nodes"]
        ]
    return found


async def test_axe_finds_nothing_on_any_page_light_and_dark(
    chromium: Browser, running: tuple[Presshook, Sandbox]
) -> None:
    presshook, _ = running
    pages = await hang(presshook)
    found: list[str] = []
    page = await signed_in(chromium, presshook)
    for name, path in pages.items():
        await page.goto(path)
        found += await violations(page, name)
    await page.goto("/ui/keys")
    await page.get_by_label("Name").fill("shown once")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.locator(".secret")).to_be_visible()
    found += await violations(page, "shown once")
    assert found == []
    await page.context.close()
