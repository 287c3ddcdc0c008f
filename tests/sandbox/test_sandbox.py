"""The stand-in CloudPress: documented checks and errors, payments, callbacks, faults on demand."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.sandbox import FAULTS
from app.sandbox.faults import READ_FAULTS, READS
from tests.harness import Sandbox, run_sandbox
from tests.sandbox.client import HEADERS, Receiver, body, get, place
from tests.settings import CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, "Invalid credentials"),
        ({"Authorization": "Token wrong"}, 401, "Invalid credentials"),
        ({"Authorization": f"Token {CLOUDPRESS_TOKEN}"}, 400, "Missing X-Auth-Account"),
        ({**HEADERS, "X-Auth-Account": "another"}, 403, "This token does not belong to the account"),
    ],
)
async def test_who_may_order(sandbox: Sandbox, headers: dict[str, str], status: int, error: str) -> None:
    answer = await sandbox.client.post("/api/orders", json=body(), headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"errors": [error]})


async def test_a_bearer_token_is_taken_as_well(sandbox: Sandbox) -> None:
    headers = {**HEADERS, "Authorization": f"Bearer {CLOUDPRESS_TOKEN}"}
    assert (await sandbox.client.get("/api/orders", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, ["Missing site"]),
        ({"site": {}}, ["Missing site name", "Missing site variant"]),
        ({**body(), "callback": {}}, ["Missing callback url", "Missing callback authorization"]),
        (body(variant="deluxe"), ["Unknown variant; it is one of vanilla, extendify, migration"]),
        (body(location="Atlantis"), ["Unknown location; it is one of Amsterdam, Frankfurt, Iowa"]),
        (body(plan="Gold"), ["Unknown plan"]),
        ({**body(), "callback": {"url": "http://x"}}, ["Missing callback authorization"]),
    ],
)  # fmt: skip
async def test_what_can_be_ordered(sandbox: Sandbox, sent: dict[str, Any], errors: list[str]) -> None:
    answer = await sandbox.client.post("/api/orders", json=sent, headers=HEADERS)
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)


async def test_an_order_goes_its_way(sandbox: Sandbox, receiver: Receiver) -> None:
    placed = await place(sandbox, "Rosa's Bakery", receiver.url, plan="Business")
    [(authorization, sent)] = await receiver.some(1)
    assert authorization == "Bearer 12345"
    task = (await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]
    assert f'"id": {task["id"]}'.encode() in sent
    assert (task["status"], [order["id"] for order in task["orders"]]) == ("OK", [placed["order"]["id"]])
    order = await get(sandbox, f"orders/{placed['order']['id']}")
    assert order["order"]["status"] == "completed"
    assert order["site"] == task["sites"][0]
    site = (await get(sandbox, f"sites/{order['site']['id']}"))["site"]
    assert (site["name"], site["package"], site["ssh"]["port"]) == ("Rosa's Bakery", "Business", 22)


async def test_lists_have_pages_and_the_last_one_is_short(sandbox: Sandbox) -> None:
    for number in range(5):
        await place(sandbox, f"Site {number} [payment-first]")
    pages = [(await get(sandbox, f"orders?page={page}&per_page=2"))["orders"] for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert len({order["id"] for page in pages for order in page}) == 5
    assert len((await get(sandbox, "tasks"))["tasks"]) == 5


async def test_about_says_what_can_be_ordered(sandbox: Sandbox) -> None:
    about = await get(sandbox, "about")
    assert [location["name"] for location in about["locations"]] == ["Amsterdam", "Frankfurt", "Iowa"]
    assert about["products"][0].keys() == {"id", "name", "description"}


@pytest.mark.parametrize(
    "path",
    [
        "orders/none", "tasks/1", "tasks/x", "sites/none", "nothing",
        pytest.param("tasks/" + "9" * 5000, id="a task id longer than any number"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_404(sandbox: Sandbox, path: str) -> None:
    answer = await sandbox.client.get(f"/api/{path}", headers=HEADERS)
    assert answer.status_code == 404
    assert answer.json().keys() == {"errors"}


async def test_an_order_can_be_cancelled_while_it_is_in_progress(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    placed = await place(sandbox, "Unwanted [payment-first]", receiver.url)
    path = f"/api/orders/{placed['order']['id']}"
    assert (await sandbox.client.delete(path, headers=HEADERS)).status_code == 204
    assert (await sandbox.client.delete(path, headers=HEADERS)).status_code == 422
    await receiver.some(1)
    assert (await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]["status"] == "CANCELLED"


async def test_accounts_do_not_see_each_other() -> None:
    async with run_sandbox(accounts={CLOUDPRESS_TOKEN: CLOUDPRESS_ACCOUNT, "t2": "a2"}) as sandbox:
        placed = await place(sandbox)
        other = {"Authorization": "Token t2", "X-Auth-Account": "a2"}
        for path in (f"orders/{placed['order']['id']}", f"tasks/{placed['task']['id']}"):
            assert (await sandbox.client.get(f"/api/{path}", headers=other)).status_code == 404
        assert (await sandbox.client.get("/api/orders", headers=other)).json() == {"orders": []}


async def test_the_payment_page_escapes_what_it_shows(sandbox: Sandbox) -> None:
    placed = await place(sandbox, "<script>alert(1)</script> [payment-first]")
    page = (await sandbox.client.get(placed["payment_url"])).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "site" not in placed


@pytest.mark.parametrize(("button", "status"), [("pay", "OK"), ("decline", "CANCELLED")])
async def test_the_buttons_of_the_payment_page(
    sandbox: Sandbox, receiver: Receiver, button: str, status: str
) -> None:
    placed = await place(sandbox, "Site [payment-first]", receiver.url, return_url="https://shop.example/")
    page = await sandbox.client.get(placed["payment_url"])
    action = f"/pay/{placed['order']['id']}/{button}"
    assert action in page.text
    for _ in range(2):  # a double click is one click
        answer = await sandbox.client.post(action)
        assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/")
    await receiver.some(1)
    assert (await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]["status"] == status
    assert "Nothing to pay" in (await sandbox.client.get(placed["payment_url"])).text


async def test_a_callback_is_sent_again_until_it_is_taken(receiver: Receiver) -> None:
    receiver.answers = [500, 401, 302]
    async with run_sandbox(callback_speed=10_000) as sandbox:
        await place(sandbox, "Site", receiver.url)
        assert len(await receiver.some(4)) == 4
        tries = (await sandbox.orders())[0]["callbacks"]
        assert [sent["status"] for sent in tries] == [500, 401, 302, 204]


@pytest.mark.parametrize(
    ("tag", "count", "reason"),
    [
        ("callback-doubled", 2, "twice at once"),
        ("callback-forged", 2, "the forged one and the right one"),
        ("callback-late=0.1", 1, "later"),
        ("callback-early", 1, "before the answer"),
    ],
)
async def test_callbacks_on_demand(
    sandbox: Sandbox, receiver: Receiver, tag: str, count: int, reason: str
) -> None:
    await place(sandbox, f"Site [{tag}]", receiver.url)
    received = await receiver.some(count)
    assert len(received) == count, reason
    assert received[-1][0] == "Bearer 12345"
    assert (received[0][0] != "Bearer 12345") == (tag == "callback-forged")


async def test_an_early_callback_comes_before_the_answer(sandbox: Sandbox, receiver: Receiver) -> None:
    await place(sandbox, "Site [callback-early]", receiver.url)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("name", sorted(name for name in FAULTS if name.startswith("place-")))
async def test_placements_that_go_wrong(sandbox: Sandbox, name: str) -> None:
    value = "=0.1" if name == "place-slow" else ""
    try:
        answer = await sandbox.client.post("/api/orders", json=body(f"Site [{name}{value}]"), headers=HEADERS)
        seen = str(answer.status_code)
    except httpx.RemoteProtocolError:
        seen = "dropped"
    expected = {
        "place-dropped": "dropped", "place-lost": "dropped", "place-500-after": "500",
        "place-502-after": "502", "place-slow": "201", "place-not-json": "200", "place-no-id": "201",
        "place-status": "202",
    }.get(name, name.removeprefix("place-"))  # fmt: skip
    well = {"place-lost", "place-slow", "place-not-json", "place-no-id", "place-status"}
    made = name.endswith("-after") or name in well
    assert (seen, len(await sandbox.orders())) == (expected, int(made))


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_a_brand_has_its_own_status_of_success(sandbox: Sandbox, status: int) -> None:
    sent = body(f"Site [place-status={status}]")
    answer = await sandbox.client.post("/api/orders", json=sent, headers=HEADERS)
    assert answer.status_code == status
    assert answer.json()["order"]["id"] == (await sandbox.orders())[0]["id"]


async def test_a_trial_account_is_refused_in_words(sandbox: Sandbox) -> None:
    answer = await sandbox.client.post("/api/orders", json=body("Site [place-403]"), headers=HEADERS)
    assert answer.json() == {"errors": ["Trial accounts cannot order sites"]}


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_in_front_answers_with_a_page(sandbox: Sandbox, status: int) -> None:
    await sandbox.post("/faults", reads=[f"list-{status}"])
    placing = await sandbox.client.post("/api/orders", json=body(f"Site [place-{status}]"), headers=HEADERS)
    reading = await sandbox.client.get("/api/orders", headers=HEADERS)
    for answer in (placing, reading):
        assert answer.headers["content-type"].startswith("text/html")
        assert f"<h1>{status} " in answer.text


@pytest.mark.parametrize("read", ["order", "task", "site", "list"])
@pytest.mark.parametrize(
    "kind",
    [
        "500", "404", "401", "402", "403", "429", "502", "503", "504",
        "truncated", "types", "dropped", "slow",
    ],
)  # fmt: skip
async def test_reads_that_go_wrong_once(sandbox: Sandbox, read: str, kind: str) -> None:
    placed = await place(sandbox, "Site [callback-early]")
    shown = await get(sandbox, f"orders/{placed['order']['id']}")
    path = {
        "order": f"orders/{placed['order']['id']}", "task": f"tasks/{placed['task']['id']}",
        "site": f"sites/{shown['site']['id']}", "list": "orders",
    }[read]  # fmt: skip
    fault = f"{read}-{kind}" + ("=0.1" if kind == "slow" else "")
    if read == "list":
        await sandbox.post("/faults", reads=[fault])
    else:
        await sandbox.post(f"/orders/{placed['order']['id']}/faults", faults=[fault])
    right = None
    try:
        answer = await sandbox.client.get(f"/api/{path}", headers=HEADERS)
        seen = str(answer.status_code)
        right = answer.text
    except httpx.RemoteProtocolError:
        seen = "dropped"
    assert seen == {"truncated": "200", "types": "200", "slow": "200"}.get(kind, kind)
    again = await sandbox.client.get(f"/api/{path}", headers=HEADERS)
    assert again.status_code == 200
    if kind in {"truncated", "types"}:
        assert right != again.text


def test_the_documentation_names_every_fault() -> None:
    documentation = Path(__file__).parents[2] / "docs" / "sandbox.md"
    named = set(re.findall(r"`([a-z0-9-]+)`", documentation.read_text()))
    reads = {
        name for name in FAULTS if name.partition("-")[0] in READS and name.partition("-")[2] in READ_FAULTS
    }
    assert FAULTS.keys() - reads <= named
    assert READ_FAULTS.keys() <= named


async def test_a_seed_draws_the_same_again() -> None:
    async def run() -> list[dict[str, Any]]:
        async with run_sandbox(fault_rates={"callback-lost": 0.5, "task-failed": 0.5}, seed=7) as sandbox:
            for number in range(10):
                await place(sandbox, f"Site {number} [payment-first]")
            return [{"id": order["id"], "faults": order["faults"]} for order in await sandbox.orders()]

    one, other = await asyncio.gather(run(), run())
    assert one == other
    assert len({tuple(order["faults"]) for order in one}) > 1


async def test_faults_for_the_next_order_are_used_up(sandbox: Sandbox) -> None:
    await sandbox.post("/faults", next=["task-failed", "site-late=2"])
    await place(sandbox, "One [payment-first]")
    await place(sandbox, "Two [payment-first]")
    one, two = await sandbox.orders()
    assert one["faults"] == {"task-failed": 1, "site-late": 2, "payment-first": 1}
    assert two["faults"] == {"payment-first": 1}


@pytest.mark.parametrize(
    "faults",
    [
        {"next": ["nothing"]},
        {"rates": {"nothing": 0.1}},
        {"next": ["site-late=x"]},
        {"rates": {"callback-lost": 2}},
        {"next": ["site-late=nan"]},
        {"next": ["place-status=204"]},
        {"next": ["list-500"]},
        {"rates": {"list-500": 0.5}},
        {"reads": ["order-500"]},
    ],
)
async def test_a_fault_that_could_not_happen_is_refused(sandbox: Sandbox, faults: dict[str, Any]) -> None:
    assert (await sandbox.post("/faults", **faults)).status_code == 422


@pytest.mark.parametrize("sent", ['{"rates": {"callback-lost": NaN}}', '{"next": [NaN]}', '{"next": ["a'])
async def test_what_no_answer_can_repeat_is_refused(sandbox: Sandbox, sent: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await sandbox.client.post("/sandbox/faults", content=sent, headers=headers)
    assert (answer.status_code, answer.json().keys()) == (422, {"errors"})


async def test_what_is_shown_holds_no_secret(sandbox: Sandbox) -> None:
    await place(sandbox, "Site [callback-early]")
    for path in ("/", "/sandbox/state", "/sandbox/orders"):
        page = (await sandbox.client.get(path)).text
        assert "Site [callback-early]" in page
        assert CLOUDPRESS_TOKEN not in page
        assert "12345" not in page


async def test_a_sandbox_that_starts_again_gives_no_number_and_no_id_a_second_time() -> None:
    given: list[tuple[str, int]] = []
    for _ in range(3):
        async with run_sandbox(seed=None) as sandbox:
            for name in ("One", "Two"):
                placed = await place(sandbox, name)
                given.append((placed["order"]["id"], placed["task"]["id"]))
            assert (await sandbox.client.get("/api/tasks/1001", headers=HEADERS)).status_code == 404
    orders, tasks = zip(*given, strict=True)
    assert len(set(orders)) == len(set(tasks)) == len(given)
    assert list(tasks) == sorted(tasks)
