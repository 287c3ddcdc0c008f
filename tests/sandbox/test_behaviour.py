"""The sandbox over time: tasks and their faults, callback bodies, the control API, seeds, its end."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.sandbox.work import UNLISTED_STATUS
from tests.harness import Sandbox, eventually, run_sandbox
from tests.sandbox.client import HEADERS, Receiver, body, get, place
from tests.settings import CLOUDPRESS_TOKEN

FOREVER_SECONDS = 10_000


async def finish(sandbox: Sandbox, placed: dict[str, Any], status: str = "OK") -> None:
    answer = await sandbox.post(f"/orders/{placed['order']['id']}/finish", status=status)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("tag", "task_status", "order_status", "reason"),
    [
        ("task-failed", "FAILED", "failed", "a task that failed takes its order along"),
        ("task-cancelled", "CANCELLED", "cancelled", "and so does one that was cancelled"),
        ("task-paused=0.1", "OK", "completed", "a pause ends"),
        ("task-unknown=0.1", "OK", "completed", "a status nobody listed passes"),
        ("status-case", "ok", "COMPLETED", "letter case is no promise"),
    ],
)
async def test_how_a_task_ends(
    sandbox: Sandbox, receiver: Receiver, tag: str, task_status: str, order_status: str, reason: str
) -> None:
    placed = await place(sandbox, f"Site [{tag}]", receiver.url)
    await receiver.some(1)
    shown = await get(sandbox, f"orders/{placed['order']['id'].lower()}")
    assert (shown["tasks"][0]["status"], shown["order"]["status"]) == (task_status, order_status), reason


@pytest.mark.parametrize(
    ("tag", "status"), [("task-paused=10000", "PAUSED"), ("task-unknown=10000", UNLISTED_STATUS)]
)
async def test_a_task_can_stay_away_for_ever(sandbox: Sandbox, tag: str, status: str) -> None:
    placed = await place(sandbox, f"Site [{tag}]")

    async def look() -> str:
        return str((await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]["status"])

    assert await eventually(look, lambda seen: seen != "RUNNING") == status


async def test_a_task_without_a_site_leaves_it_to_the_order(sandbox: Sandbox) -> None:
    placed = await place(sandbox, "Site [callback-early] [task-without-site]")
    assert (await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]["sites"] == []
    assert (await get(sandbox, f"orders/{placed['order']['id']}"))["site"]["name"].startswith("Site")


async def test_a_late_site_is_404_for_a_while(sandbox: Sandbox) -> None:
    placed = await place(sandbox, "Site [callback-early] [site-late=0.2]")
    site = (await get(sandbox, f"orders/{placed['order']['id']}"))["site"]

    async def look() -> int:
        return (await sandbox.client.get(f"/api/sites/{site['id']}", headers=HEADERS)).status_code

    assert await look() == 404
    assert await eventually(look, lambda seen: seen != 404) == 200


async def test_a_site_stands_in_the_order_s_answer_as_documented(sandbox: Sandbox) -> None:
    placed = await place(sandbox, "Site [callback-early]")
    site = (await get(sandbox, f"sites/{placed['site']['id']}"))["site"]
    assert placed["site"]["ssh_data"] == {**site["ssh"], "port": "22"}
    assert (placed["site"]["domain"], site["ssh"]["port"]) == (site["primary_domain"], 22)


async def test_an_early_site_is_there_before_its_task_has_ended() -> None:
    async with run_sandbox(task_seconds=FOREVER_SECONDS) as sandbox:
        placed = await place(sandbox, "Site [site-early]")
        assert placed["task"]["status"] == "RUNNING"
        assert placed["site"]["ssh_data"]["port"] == "22"
        linked = (await get(sandbox, f"orders/{placed['order']['id']}"))["site"]
        assert linked["id"] == placed["site"]["id"]
        site = (await get(sandbox, f"sites/{linked['id']}"))["site"]
        assert placed["site"]["ssh_data"] == {**site["ssh"], "port": "22"}
        await finish(sandbox, placed)
        task = (await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]
        assert (task["status"], task["sites"]) == ("OK", [linked])


async def test_no_site_comes_before_the_payment() -> None:
    async with run_sandbox(task_seconds=FOREVER_SECONDS) as sandbox:
        placed = await place(sandbox, "Site [site-early] [payment-first]")
        path = f"orders/{placed['order']['id']}"
        assert "site" not in placed
        assert "site" not in await get(sandbox, path)
        await sandbox.post(f"/{path}/pay")
        assert "site" in await get(sandbox, path)


async def test_without_a_fault_no_site_is_linked_before_the_task_has_ended() -> None:
    async with run_sandbox(task_seconds=FOREVER_SECONDS) as sandbox:
        placed = await place(sandbox, "Site")
        assert "site" not in placed
        assert "site" not in await get(sandbox, f"orders/{placed['order']['id']}")


@pytest.mark.parametrize("callback", [{}, {"callback": None}])
@pytest.mark.parametrize("tags", ["", " [callback-early] [callback-forged]"])
async def test_an_order_without_a_callback_is_taken_and_none_is_sent(
    sandbox: Sandbox, callback: dict[str, None], tags: str
) -> None:
    sent = {"site": body(f"Site{tags}")["site"], **callback}
    answer = await sandbox.client.post("/api/orders", json=sent, headers=HEADERS)
    assert answer.status_code == 201

    async def made() -> dict[str, Any]:
        return (await sandbox.orders())[0]

    done = await eventually(made, lambda order: order["status"] == "completed")
    assert (await sandbox.post(f"/orders/{done['id']}/callback")).status_code == 409
    assert (await made())["callbacks"] == []


async def test_the_list_of_tasks_forgets_after_three_days(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await place(sandbox)
    monkeypatch.setattr("app.sandbox.provider.now", lambda: datetime.now(UTC) + timedelta(days=3, minutes=1))
    assert (await get(sandbox, "tasks"))["tasks"] == []
    assert (await get(sandbox, f"tasks/{placed['task']['id']}"))["task"]["id"] == placed["task"]["id"]


@pytest.mark.parametrize(
    ("spelling", "tag"), [("payment_url", "payment-first"), ("payment_ur", "payment-first] [payment-ur")]
)
async def test_a_payment_url_is_shown_in_both_spellings(sandbox: Sandbox, spelling: str, tag: str) -> None:
    placed = await place(sandbox, f"Site [{tag}]")
    assert (await get(sandbox, f"orders/{placed['order']['id']}"))["order"][spelling] == placed["payment_url"]


async def test_every_order_can_have_to_be_paid_and_browsers_may_come_another_way() -> None:
    async with run_sandbox(payment_first=True, public_url="https://pay.example/") as sandbox:
        placed = await place(sandbox)
        assert placed["payment_url"] == f"https://pay.example/pay/{placed['order']['id']}"


@pytest.mark.parametrize(("first", "second"), [("pay", "decline"), ("decline", "pay")])
async def test_who_changes_their_mind_is_told_that_it_is_too_late(
    sandbox: Sandbox, first: str, second: str
) -> None:
    placed = await place(sandbox, "Site [payment-first]", return_url="https://shop.example/")
    assert (await sandbox.client.post(f"/pay/{placed['order']['id']}/{first}")).status_code == 303
    [before] = await sandbox.orders()
    late = await sandbox.client.post(f"/pay/{placed['order']['id']}/{second}")
    assert late.status_code == 200
    assert "Nothing to pay" in late.text
    [after] = await sandbox.orders()
    assert (before["status"] == "cancelled") == (after["status"] == "cancelled")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("flat", '"status": "OK"'), ("task-id", '{"task_id": '), ("ancestor", '"success": true'),
        ("not-json", "thank you"), ("deep", "[[[["),
    ],
)  # fmt: skip
async def test_callback_bodies(sandbox: Sandbox, receiver: Receiver, shape: str, expected: str) -> None:
    await place(sandbox, f"Site [body-{shape}]", receiver.url)
    [(_, sent)] = await receiver.some(1)
    assert expected in sent.decode()
    assert '"task": {' not in sent.decode()


async def test_callback_bodies_that_are_no_text(sandbox: Sandbox, receiver: Receiver) -> None:
    await place(sandbox, "Site [body-empty]", receiver.url)
    await receiver.some(1)
    await place(sandbox, "Site [body-bad-utf8]", receiver.url)
    (_, empty), (_, bad) = await receiver.some(2)
    assert empty == b""
    with pytest.raises(UnicodeDecodeError):
        bad.decode()


async def test_a_lost_callback_is_never_sent(sandbox: Sandbox, receiver: Receiver) -> None:
    await place(sandbox, "Lost [callback-early] [callback-lost]", receiver.url)
    placed = await place(sandbox, "Lost [payment-first] [callback-lost]", receiver.url)
    await finish(sandbox, placed)
    await place(sandbox, "Heard [callback-early]", receiver.url)
    assert [b"Heard" in sent for _, sent in receiver.received] == [True]


async def test_an_early_callback_that_is_refused_is_sent_again(receiver: Receiver) -> None:
    receiver.answers = [503]
    async with run_sandbox(callback_speed=10_000) as sandbox:
        await place(sandbox, "Site [callback-early]", receiver.url)
        assert len(await receiver.some(2)) == 2


async def test_early_callbacks_go_with_the_other_faults(sandbox: Sandbox, receiver: Receiver) -> None:
    await place(sandbox, "Site [callback-early] [callback-forged] [callback-doubled]", receiver.url)
    forged, *right = [authorization for authorization, _ in receiver.received]
    assert (forged, right) == ("Bearer forged-by-the-sandbox", ["Bearer 12345"] * 2)


async def test_each_of_two_early_callbacks_is_repeated_until_it_is_taken(receiver: Receiver) -> None:
    receiver.answers = [503, 503]
    async with run_sandbox(callback_speed=10_000) as sandbox:
        await place(sandbox, "Site [callback-early] [callback-doubled]", receiver.url)
        assert len(await receiver.some(4)) == 4


async def test_a_forged_callback_claims_success(sandbox: Sandbox, receiver: Receiver) -> None:
    await place(sandbox, "Site [task-failed] [callback-forged]", receiver.url)
    claimed = [(sent[0], json.loads(sent[1])["task"]["status"]) for sent in await receiver.some(2)]
    assert claimed == [("Bearer forged-by-the-sandbox", "OK"), ("Bearer 12345", "FAILED")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.2.3", "it is no number"),
        ("soon", "it is no number either"),
        ("nan", "no clock waits for it"),
        ("-1", "time does not run back"),
        ("99999999999999", "no clock can add it up"),
    ],
)
async def test_a_tag_whose_value_cannot_be_is_refused(sandbox: Sandbox, value: str, reason: str) -> None:
    sent = body(f"Site [site-late={value}]")
    answer = await sandbox.client.post("/api/orders", json=sent, headers=HEADERS)
    assert answer.status_code == 422, reason
    assert "the value of site-late" in answer.json()["errors"][0]
    assert await sandbox.orders() == []


@pytest.mark.parametrize(
    ("callback", "reason"),
    [
        ({"url": 5, "authorization": "a"}, "a number is no address"),
        ({"url": "ftp://x", "authorization": "a"}, "a callback is a POST"),
        ({"url": "http://x", "authorization": 5}, "a header is text"),
        ({"url": "http://x", "authorization": "Bearer é"}, "headers are ASCII"),
        ({"url": "http://x", "authorization": "a\nX-More: b"}, "one header, not two"),
    ],
)
async def test_a_callback_that_could_never_be_sent_is_refused(
    sandbox: Sandbox, callback: dict[str, Any], reason: str
) -> None:
    sent = {**body(), "callback": callback}
    answer = await sandbox.client.post("/api/orders", json=sent, headers=HEADERS)
    assert answer.status_code == 422, reason


@pytest.mark.parametrize(("action", "status"), [("pay", "RUNNING"), ("decline", "CANCELLED")])
async def test_the_control_api_pays_and_declines_once(action: str, status: str) -> None:
    async with run_sandbox(task_seconds=FOREVER_SECONDS) as sandbox:
        placed = await place(sandbox, "Site [payment-first]")
        path = f"/orders/{placed['order']['id']}/{action}"
        assert (await sandbox.post(path)).json()["task"]["status"] == status
        assert (await sandbox.post(path)).status_code == 409


async def test_the_control_api_finishes_a_task_and_sends_callbacks(receiver: Receiver) -> None:
    async with run_sandbox(task_seconds=FOREVER_SECONDS) as sandbox:
        placed = await place(sandbox, "Site", receiver.url)
        await finish(sandbox, placed, "FAILED")
        await receiver.some(1)
        path = f"/orders/{placed['order']['id']}"
        assert (await sandbox.post(f"{path}/finish")).status_code == 409
        assert (await sandbox.post(f"{path}/callback", body="task-id", forged=True)).status_code == 200
        assert receiver.received[1][0] == "Bearer forged-by-the-sandbox"
        assert json.loads(receiver.received[1][1]) == {"task_id": placed["task"]["id"]}
        receiver.answers = [500]
        assert (await sandbox.post(f"{path}/callback")).status_code == 502
        assert (await sandbox.post(f"{path}/callback", body="song")).status_code == 422
        assert (await sandbox.post("/orders/none/callback")).status_code == 404


async def test_orders_are_counted_by_name_and_calls_by_route(sandbox: Sandbox) -> None:
    for name in ("One", "Two", "Two"):
        await place(sandbox, name)
    answer = await sandbox.client.get("/sandbox/orders", params={"site_name": "Two"})
    assert answer.json()["count"] == 2
    assert await sandbox.requests("POST /api/orders") == 3


async def test_faults_that_are_deleted_do_not_happen(sandbox: Sandbox) -> None:
    await sandbox.post("/faults", next=["place-500"], rates={"place-502": 1}, reads=["list-500=9"])
    assert (await sandbox.client.delete("/sandbox/faults")).json() == {"rates": {}, "next": {}, "reads": {}}
    await place(sandbox)
    assert len((await get(sandbox, "orders"))["orders"]) == 1


@pytest.mark.parametrize(("rates", "expected"), [({"task-failed": 1.0}, True), ({"task-failed": 0.0}, False)])
async def test_a_rate_of_one_is_every_order_and_of_none_is_none(
    sandbox: Sandbox, rates: dict[str, float], *, expected: bool
) -> None:
    await sandbox.post("/faults", rates=rates)
    for _ in range(3):
        await place(sandbox)
    assert {"task-failed" in order["faults"] for order in await sandbox.orders()} == {expected}


async def test_what_a_seed_draws_does_not_depend_on_when_tasks_end() -> None:
    async def run(*, finished: bool) -> list[dict[str, Any]]:
        rates = {"task-failed": 0.5, "callback-lost": 0.5}
        async with run_sandbox(fault_rates=rates, seed=7, task_seconds=FOREVER_SECONDS) as sandbox:
            for number in range(6):
                placed = await place(sandbox, f"Site {number}")
                if finished:
                    await finish(sandbox, placed)
            return [{"id": order["id"], "faults": order["faults"]} for order in await sandbox.orders()]

    assert await run(finished=True) == await run(finished=False)


async def test_calls_are_logged_without_secrets(sandbox: Sandbox) -> None:
    with capture_logs() as logged:
        await place(sandbox)
        await sandbox.client.get("/sandbox/state")
    calls = [entry for entry in logged if entry["event"] == "call"]
    assert [(call["method"], call["path"], call["answered"]) for call in calls] == [
        ("POST", "/api/orders", 201)
    ]
    assert CLOUDPRESS_TOKEN not in str(logged)
    assert "12345" not in str(logged)


async def test_nothing_of_a_sandbox_outlives_it() -> None:
    before = asyncio.all_tasks()
    async with run_sandbox(task_seconds=FOREVER_SECONDS) as sandbox:
        await place(sandbox)
        await place(sandbox, "Late [callback-late=10000] [callback-early]")
    assert asyncio.all_tasks() == before
