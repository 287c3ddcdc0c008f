"""The other pages: what is shown once is shown once, and what is done is done as at the API."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from app.dashboard.routes import happenings
from app.db.models import (
    Account,
    ApiKey,
    Callback,
    CheckResult,
    Delivery,
    DeliveryAttempt,
    LookUp,
    Order,
    Task,
    Webhook,
)
from app.events.timeline import Actor
from app.keys.finding import find_keys
from app.main import Service
from app.maintenance.after_restore import skip_event_numbers
from app.maintenance.doctor.checks import Result
from app.orders.callbacks import record_callback
from app.orders.requests import request_refresh
from app.states import OrderStatus
from tests.dashboard.conftest import browser_of, new_key, stored_order
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT

SECRET = re.compile(r'<pre tabindex="0" class="secret"><code>([^<]+)</code>')


def shown_secret(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    assert "content-encoding" not in page.headers, "its length would tell of it"
    found = SECRET.search(page.text)
    assert found is not None
    return html.unescape(found[1])


async def test_a_key_is_made_replaced_and_revoked(browser: httpx.AsyncClient, service: Service) -> None:
    form = {
        "name": "ada",
        "scope": ["orders:read", "keys:write"],
        "account_ids": f" {CLOUDPRESS_ACCOUNT}  other ",
        "expires_at": "2099-01-01T00:00",
    }
    key = shown_secret(await browser.post("/ui/keys", data=form))
    async with browser_of(service, key=key) as ada:
        page = (await ada.get("/ui/keys")).text
        assert key not in page
        assert "ada" in page
    [stored] = await keys(service)
    assert (stored.scopes, stored.account_ids) == (
        ["keys:write", "orders:read"],
        sorted([CLOUDPRESS_ACCOUNT, "other"]),
    )
    again = shown_secret(await browser.post(f"/ui/keys/{stored.id}/rotate", data={"grace_hours": "0"}))
    assert again != key
    assert (await browser.post(f"/ui/keys/{stored.id}/revoke")).headers["location"] == "/ui/keys?done=revoked"
    async with browser_of(service) as out:
        assert (await out.post("/ui/sign-in", data={"key": again})).status_code == 401


async def keys(service: Service) -> list[ApiKey]:
    async with service.db.read() as session:
        return list(await find_keys(session))


async def test_what_is_wrong_with_a_form_is_named(browser: httpx.AsyncClient) -> None:
    for path, form, field in (
        ("/ui/keys", {"name": "ada"}, "scopes"),
        ("/ui/keys", {"name": "API_KEY", "scope": "orders:read"}, "name"),
        ("/ui/keys", {"name": "a", "scope": "orders:burn"}, "scopes.0"),
        ("/ui/webhooks", {"url": "http://127.0.0.1/x"}, "url"),
        ("/ui/accounts", {"id": "ä", "token": "t"}, "id"),
        ("/ui/accounts", {"id": "new", "name": "New"}, "token"),
    ):
        answer = await browser.post(path, data=form)
        assert answer.status_code == 422, path
        assert f"<b>{field}</b>" in answer.text


async def test_a_webhook_is_made_rotated_disabled_and_enabled(browser: httpx.AsyncClient) -> None:
    form = {"url": "https://shop.example/hook", "description": "The <shop>", "type": ["order.completed"]}
    made = await browser.post("/ui/webhooks", data=form)
    secret = shown_secret(made)
    assert secret.startswith("whsec_")
    path = re.search(r'href="(/ui/webhooks/[0-9a-f-]+)"', made.text)
    assert path is not None
    here = path[1]
    for page in ("/ui/webhooks", here):
        shown = (await browser.get(page)).text
        assert secret not in shown
        assert "The &lt;shop&gt;" in shown
    assert shown_secret(await browser.post(f"{here}/rotate", data={"grace_hours": "1"})) != secret
    again = await browser.post(f"{here}/rotate", data={"grace_hours": "1"})
    assert (again.status_code, "rotate with a grace of 0" in again.text) == (409, True)
    tested = await browser.post(f"{here}/test")
    assert tested.status_code == 303
    delivery = tested.headers["location"].partition("?")[0]
    assert "webhook.test" in (await browser.get(delivery)).text
    assert (await browser.post(f"{delivery}/redeliver")).status_code == 303
    await browser.post(f"{here}/disable")
    refused = await browser.post(f"{delivery}/redeliver")
    assert (refused.status_code, "disabled: enable it first" in refused.text) == (409, True)
    await browser.post(f"{here}/enable")
    since = await browser.post(f"{here}/redeliver", data={"since": "2026-11-01T00:00"})
    assert since.headers["location"] == f"{here}?done=since"
    for status, count in (("pending", 1), ("failed", 0), ("nonsense", 1)):
        listed = (await browser.get(f"{here}?status={status}")).text
        assert listed.count('id="delivery-') == count, status
    await browser.post(f"{here}/remove")
    assert (await browser.get(here)).status_code == 404


async def test_the_overview_tells_what_needs_a_person_and_what_is_wrong(
    browser: httpx.AsyncClient, service: Service
) -> None:
    first = await stored_order(service, "Asks")
    done = [await stored_order(service, f"Done {number}") for number in range(3)]
    async with service.db.write() as tx:
        asking = await tx.session.get_one(Order, first)
        asking.attention_code, asking.attention_since = "not_sent", tx.now - timedelta(hours=3)
        for number, order_id in enumerate(done):
            order = await tx.session.get_one(Order, order_id)
            order.status, order.finalized_at, order.due_at = OrderStatus.COMPLETED, tx.now, None
            tx.session.add(Task(order_id=order_id, id=number + 1, status="OK", ended_at=tx.now))
            await tx.session.flush()
            if number:
                came = tx.now + timedelta(seconds=0.5 if number == 1 else 10)
                tx.session.add(
                    Callback(
                        order_id=order_id,
                        body_sha256=str(number),
                        body=b"{}",
                        task_id=number + 1,
                        first_received_at=came,
                        last_received_at=came,
                    )
                )
        tx.session.add(
            CheckResult(
                id="callbacks.evidence",
                outcome="failed",
                detail="No callback came.",
                checked_at=tx.now,
                changed_at=tx.now,
            )
        )
        tx.session.add(
            Webhook(
                id=uuid7(),
                url="https://gone.example",
                is_enabled=False,
                disabled_reason="It takes nothing.",
                secret=b"s",
                created_at=tx.now,
                updated_at=tx.now,
            )
        )
    page = (await browser.get("/ui")).text
    for told in ("Nobody works.", "3 h ago", "1 order", "No callback came.", "https://gone.example", "Asks"):
        assert told in page, told
    numbers = {
        re.sub(r"<[^>]+>", "", row[0]).strip(): row[1]
        for row in re.findall(
            r'<th scope="row">(.*?)</th>\s*<td class="number">([^<]+)</td>', page, re.DOTALL
        )
    }
    wanted = {"Completed": "3", "Pending": "1", "under 1 s": "1", "5 to 30 s": "1", "never came": "1"}
    assert numbers.items() >= wanted.items()
    key = await new_key(service, "orders:read", account="acct-other")
    async with browser_of(service, key=key.key) as other:
        page = (await other.get("/ui")).text
        for hidden in ("No callback came.", "https://gone.example", "Asks", "1 order"):
            assert hidden not in page, hidden


async def test_the_resolve_page_shows_what_was_found_beside_what_was_ordered(
    browser: httpx.AsyncClient, service: Service
) -> None:
    order_id = await stored_order(service, status=OrderStatus.UNCONFIRMED)
    async with service.db.write() as tx:
        tx.session.add(
            LookUp(
                order_id=order_id,
                candidates=["fits"],
                suspects=["<suspect>"],
                unseen=[],
                completed=1,
                listed={"fits": "2026-11-26T09:00:00Z"},
            )
        )
    page = (await browser.get(f"/ui/orders/{order_id}/resolve")).text
    assert page.count('value="adopt"') == 3
    for told in (
        "fits", "&lt;suspect&gt;", "2026-11-26T09:00:00.000Z", "bought twice", "fails for good",
        "All that CloudPress tells of it agrees", "CloudPress could not be asked.", "not told",
        "until it does, adopting it is refused",
    ):  # fmt: skip
        assert told in page, told


@pytest.mark.parametrize("action", ["dismiss_duplicates", "place_again", "fail"])
async def test_a_button_of_the_resolve_page_holds_for_what_the_page_has_shown(
    browser: httpx.AsyncClient, service: Service, action: str
) -> None:
    order_id = await stored_order(service, status=OrderStatus.UNCONFIRMED)
    async with service.db.write() as tx:
        many = [f"it-{number:03}" for number in range(120)]
        tx.session.add(LookUp(order_id=order_id, candidates=[], suspects=many, unseen=[], completed=1))
    path = f"/ui/orders/{order_id}/resolve"

    async def form() -> dict[str, object]:
        page = (await browser.get(path)).text
        [mine] = [each for each in page.split("<form") if f'value="{action}"' in each]
        named = re.findall(r'name="(suspects|callbacks)" value="([^"]*)"', mine)
        return {
            "action": action,
            "suspects": [value for name, value in named if name == "suspects"],
            "callbacks": dict(named)["callbacks"],
        }

    shown = await form()
    assert shown["suspects"] == many, "also those that the API does not list"
    async with service.db.write() as tx:
        look_up = await tx.session.get_one(LookUp, order_id)
        look_up.suspects = [*many, "came in since"]
    refused = await browser.post(path, data=shown)
    assert (refused.status_code, "came in since" in refused.text) == (409, True)
    seen_all = await form()
    await record_callback(service.db, order_id, b"{}")
    refused = await browser.post(path, data=seen_all)
    assert (refused.status_code, "a callback was let in" in refused.text) == (409, True)
    assert "1 callback was let in" in (await browser.get(path)).text
    done = await browser.post(path, data=await form())
    assert (done.status_code, done.headers["location"]) == (303, f"/ui/orders/{order_id}?done={action}")


async def test_a_page_that_has_shown_nothing_says_so(browser: httpx.AsyncClient, service: Service) -> None:
    order_id = await stored_order(service, status=OrderStatus.UNCONFIRMED)
    async with service.db.write() as tx:
        look_up = LookUp(order_id=order_id, candidates=[], suspects=["new"], unseen=[], completed=1)
        tx.session.add(look_up)
    path = f"/ui/orders/{order_id}/resolve"
    refused = await browser.post(path, data={"action": "place_again", "callbacks": "0"})
    assert (refused.status_code, "new" in refused.text) == (409, True)
    odd = await browser.post(path, data={"action": "place_again", "callbacks": "many"})
    assert (odd.status_code, "callbacks" in odd.text) == (422, True)


LOST = {"attention_code": "not_found"}
MIXED_UP = {
    "attention_code": "suspected_duplicate",
    "cloudpress_order_id_source": "lookup",
    "suspected_duplicates": ["cp-7"],
}


@pytest.mark.parametrize(
    ("state", "words", "told"),
    [
        (LOST, {"fail"}, "It will never be finished"),
        ({"attention_code": "site_missing"}, {"fail"}, "It will never be finished"),
        (MIXED_UP, {"dismiss_duplicates", "place_again", "fail"}, "It is this order"),
        ({}, set(), "There is nothing to resolve."),
    ],
)
async def test_the_resolve_page_of_a_placed_order_offers_what_it_takes(
    browser: httpx.AsyncClient, service: Service, state: dict[str, object], words: set[str], told: str
) -> None:
    order_id = await stored_order(service, status=OrderStatus.PROVISIONING)
    async with service.db.write() as tx:
        order = await tx.session.get_one(Order, order_id)
        order.cloudpress_order_id = "cp-7"
        for name, value in state.items():
            setattr(order, name, value)
        order.attention_since = tx.now if state else None
    path = f"/ui/orders/{order_id}/resolve"
    page = (await browser.get(path)).text
    assert set(re.findall(r'name="action" value="([^"]+)"', page)) == words
    assert told in page
    for word in words & {"fail"}:
        done = await browser.post(path, data={"action": word, "suspects": "cp-7", "callbacks": "0"})
        assert done.status_code == 303, done.text


async def test_who_did_what_is_listed_and_what_happens_too(
    browser: httpx.AsyncClient, service: Service
) -> None:
    order_id = await stored_order(service)
    await request_refresh(service.db, order_id, by=Actor("ada <b>"))
    await browser.post("/ui/keys", data={"name": "n", "scope": "orders:read"})
    audit = (await browser.get("/ui/audit")).text
    assert "by <b>ada &lt;b&gt;</b>" in audit
    assert "An API key was made." in audit
    assert "by <b>ada &lt;b&gt;</b>" in (await browser.get("/ui/live")).text
    assert "ada" not in (await browser.get("/ui/audit?before=1")).text
    for account, sees in ((CLOUDPRESS_ACCOUNT, True), ("acct-other", False)):
        key = await new_key(service, "orders:read", account=account)
        async with browser_of(service, key=key.key) as other:
            for path in ("/ui/audit", "/ui/live"):
                page = (await other.get(path)).text
                assert ("ada" in page) is sees, path
                assert "An API key was made." not in page, "it concerns the service"


async def test_the_checks_are_shown_and_run(
    browser: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing was checked yet." in (await browser.get("/ui/doctor")).text
    monkeypatch.setattr("app.maintenance.doctor.repeating.Repeating._way_in", nothing)
    assert (await browser.post("/ui/doctor/run")).headers["location"] == "/ui/doctor?done=run"
    page = (await browser.get("/ui/doctor")).text
    assert 'id="check-database.rights"' in page
    again = await browser.post("/ui/doctor/run")
    assert (again.status_code, "a moment ago" in again.text) == (409, True)


async def nothing(_self: object) -> AsyncIterator[Result]:
    """The way in is another test's."""
    none: tuple[Result, ...] = ()
    for result in none:
        yield result


async def test_deliveries_and_orders_of_what_is_none_are_no_pages(
    browser: httpx.AsyncClient, service: Service
) -> None:
    nowhere = UUID(int=0)
    for path in (f"/ui/webhooks/{nowhere}", f"/ui/webhooks/{nowhere}/deliveries/{nowhere}", "/ui/nothing"):
        answer = await browser.get(path)
        assert (answer.status_code, "Nothing here" in answer.text) == (404, True)
    async with service.db.read() as session:
        assert await session.get(Delivery, nowhere) is None


async def test_lists_of_keys_and_accounts_have_pages(browser: httpx.AsyncClient, service: Service) -> None:
    for number in range(52):
        await new_key(service, "orders:read", name=f"key {number:02}")
        async with service.db.write() as tx:
            given = {"token": b"t", "created_at": tx.now, "updated_at": tx.now}
            tx.session.add(Account(id=f"acct-{number:02}", **given))
    for path, shown in (("/ui/keys", 52), ("/ui/accounts", 53)):
        seen: list[str] = []
        asked = path
        while asked:
            page = (await browser.get(asked)).text
            seen += re.findall(r'<span class="row-name">([^<]+)</span>', page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            asked = html.unescape(following[1]) if following else ""
        assert (len(seen), len(set(seen))) == (shown, shown), path


async def test_each_attempt_is_kept_with_its_answer_and_goes_with_its_delivery(
    browser: httpx.AsyncClient, service: Service
) -> None:
    async with service.db.write() as tx:
        times = {"created_at": tx.now, "updated_at": tx.now}
        hook = Webhook(id=uuid7(), url="https://shop.example/hook", is_enabled=True, secret=b"s", **times)
        tx.session.add(hook)
        await tx.session.flush()
        sent = Delivery(id=uuid7(), webhook_id=hook.id, status="failed", attempts=2, created_at=tx.now)
        tx.session.add(sent)
        await tx.session.flush()
        for number, status in ((1, None), (2, 500)):
            tx.session.add(
                DeliveryAttempt(
                    delivery_id=sent.id,
                    number=number,
                    ended_at=tx.now,
                    duration_ms=1234,
                    response_status=status,
                    response_excerpt="<b>out</b>" if status else None,
                    error=None if status else "No answer came.",
                )
            )
    path = f"/webhooks/{hook.id}/deliveries/{sent.id}"
    page = (await browser.get(f"/ui{path}")).text
    assert page.count("1,234 ms") == 2
    assert "&lt;b&gt;out&lt;/b&gt;" in page
    listed = await browser.get(f"/v1{path}/attempts", headers={"Authorization": f"Bearer {API_KEY}"})
    assert [(each["number"], each["response_status"]) for each in listed.json()["data"]] == [
        (2, 500),
        (1, None),
    ]
    assert (await browser.post(f"/ui/webhooks/{hook.id}/remove")).status_code == 303
    async with service.db.read() as session:
        left = (await session.execute(select(func.count()).select_from(DeliveryAttempt))).scalar_one()
    assert left == 0


async def test_who_did_what_before_a_restoration_is_a_page_away(
    browser: httpx.AsyncClient, service: Service
) -> None:
    """`presshook after-restore` skips a million numbers, and says to look through keys and webhooks first."""
    await browser.post("/ui/keys", data={"name": "n", "scope": "orders:read"})
    await skip_event_numbers(service.db)
    page, looked_at = await browser.get("/ui/audit"), 1
    while "An API key was made." not in page.text and looked_at < 5:
        earlier = re.search(r'rel="next" href="([^"]+)"', page.text)
        assert earlier is not None
        assert "Nobody has done anything here." not in page.text
        page, looked_at = await browser.get(earlier[1]), looked_at + 1
    assert "An API key was made." in page.text


async def test_what_happened_before_a_restoration_is_among_the_last_that_happened(
    browser: httpx.AsyncClient, service: Service
) -> None:
    await browser.post("/ui/keys", data={"name": "n", "scope": "orders:read"})
    await skip_event_numbers(service.db)
    assert "An API key was made." in (await browser.get("/ui/live")).text


async def test_no_page_is_earlier_than_the_first_event(
    browser: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await skip_event_numbers(service.db)
    monkeypatch.setattr(happenings, "WINDOW", 2)
    newest = (await browser.get("/ui/audit")).text
    earlier = re.search(r'rel="next" href="([^"]+)"', newest)
    assert earlier is not None
    page = (await browser.get(earlier[1])).text
    assert "Nobody has done anything here." not in page
    assert 'rel="next"' not in page


async def test_a_full_page_that_begins_at_the_first_event_has_no_earlier_one(
    browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happenings, "SHOWN", 1)
    await browser.post("/ui/keys", data={"name": "n", "scope": "orders:read"})
    page = (await browser.get("/ui/audit")).text
    assert "An API key was made." in page
    assert 'rel="next"' not in page
