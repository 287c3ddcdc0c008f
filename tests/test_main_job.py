"""The main job, over real HTTP on real databases: from an order to its site."""

import asyncio

import httpx
import pytest

from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.settings import CLOUDPRESS_TOKEN


async def test_an_order_is_placed_and_completed_by_its_callback(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.order("Rosa's Bakery", location="Frankfurt", plan="Business")
        assert answer.status_code == 201
        placed = answer.json()
        assert answer.headers["location"] == f"/v1/orders/{placed['id']}"
        order = await presshook.until(placed["id"], "completed")
        [made] = await sandbox.orders("Rosa's Bakery")
        assert order["cloudpress_order_id"] == made["id"]
        assert order["site"]["id"] == made["site_id"]
        assert order["site"]["location"] == "Frankfurt"
        assert order["site"]["ssh"].keys() == {"ipaddr", "username", "port"}
        assert [task["status"] for task in order["tasks"]] == ["OK"]
        assert order["finalized_at"] == order["updated_at"]
        assert [sent["status"] for sent in made["callbacks"]] == [204]


async def test_the_password_is_in_the_credentials_alone(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Site")).json()["id"]
        await presshook.until(order_id, "completed")
        answer = await presshook.client.get(f"/v1/orders/{order_id}/credentials")
        ssh = answer.json()["ssh"]
        assert ssh.keys() == {"ipaddr", "username", "password", "port"}
        assert ssh["port"] == 22
        assert answer.headers["cache-control"] == "no-store"
        assert ssh["password"] not in (await presshook.client.get(f"/v1/orders/{order_id}")).text


async def test_credentials_are_not_found_before_there_is_a_site(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Unpaid [payment-first]")).json()["id"]
        answer = await presshook.client.get(f"/v1/orders/{order_id}/credentials")
        assert answer.status_code == 404


async def test_an_end_user_pays_on_the_hosted_page(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.order("Paid [payment-first]", return_url="https://shop.example/welcome")
        order = answer.json()
        assert (answer.status_code, order["status"]) == (201, "awaiting_payment")
        page = await sandbox.client.get(order["payment_url"])
        assert "Paid [payment-first]" in page.text
        paid = await sandbox.client.post(f"{order['payment_url']}/pay")
        assert (paid.status_code, paid.headers["location"]) == (303, "https://shop.example/welcome")
        order = await presshook.until(order["id"], "completed")
        assert order["payment_url"] is None


async def test_a_declined_payment_cancels_the_order(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order = (await presshook.order("Declined [payment-first]")).json()
        await sandbox.client.post(f"{order['payment_url']}/decline")
        order = await presshook.until(order["id"], "cancelled")
        assert order["payment_url"] is None


async def test_a_callback_that_never_comes_is_not_needed(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, callback_wait_seconds=0.2) as presshook:
        order_id = (await presshook.order("Quiet [callback-lost]")).json()["id"]
        await presshook.until(order_id, "completed")
        [made] = await sandbox.orders()
        assert made["callbacks"] == []


async def test_a_forged_callback_changes_nothing(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order = (await presshook.order("Forged [payment-first]")).json()
        [made] = await sandbox.orders()
        await sandbox.post(f"/orders/{made['id']}/callback", forged=True)
        [made] = await sandbox.orders()
        assert [sent["status"] for sent in made["callbacks"]] == [401]
        assert await presshook.show(order["id"]) == order


@pytest.mark.parametrize(
    "shape", ["task", "flat", "task-id", "ancestor", "empty", "not-json", "bad-utf8", "deep"]
)
async def test_a_callback_of_any_shape_is_a_knock_on_the_door(
    database_url: str, sandbox: Sandbox, shape: str
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order(f"Shape [body-{shape}]")).json()["id"]
        await presshook.until(order_id, "completed")


@pytest.mark.usefixtures("retries_soon")
@pytest.mark.parametrize(
    ("faults", "status", "reason"),
    [
        ("[callback-doubled]", "completed", "the second one finds nothing to do"),
        ("[callback-early]", "completed", "it is stored before the answer to the order is read"),
        ("[callback-forged]", "completed", "the right one is let in after the forged one"),
        ("[task-failed]", "failed", "the task says so"),
        ("[task-cancelled]", "cancelled", "the task says so"),
        ("[task-paused=0.2]", "completed", "paused is not final"),
        ("[task-unknown=0.2]", "completed", "unknown is not final"),
        ("[task-without-site]", "completed", "the order names the site"),
        ("[site-late=0.3]", "completed", "404 is not final"),
        ("[status-case]", "completed", "any letter case"),
        ("[order-500]", "completed", "asked again"),
        ("[order-429]", "completed", "asked again when Retry-After says"),
        ("[order-truncated]", "completed", "asked again"),
        ("[order-dropped]", "completed", "asked again"),
        ("[task-502]", "completed", "asked again"),
        ("[task-types]", "completed", "asked again"),
        ("[task-404]", "completed", "404 is not final"),
        ("[site-401]", "completed", "asked again"),
        ("[site-500=2]", "completed", "asked again"),
    ],
)
async def test_what_goes_wrong_at_cloudpress_ends_well(
    database_url: str, sandbox: Sandbox, faults: str, status: str, reason: str
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.order(f"Site {faults}")
        assert answer.status_code == 201, answer.text
        order = await presshook.until(answer.json()["id"], "completed", "failed", "cancelled")
        assert order["status"] == status, reason
        assert order["attention"] is None
        assert len(await sandbox.orders()) == 1


@pytest.mark.usefixtures("retries_soon")
@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ("[place-429=1]", "refused for now: nothing was made"),
        ("[place-401]", "the token is mended meanwhile"),
        ("[place-lost] [callback-early]", "the callback's task names the order"),
        ("[place-500-after] [callback-early]", "the callback's task names the order"),
        ("[place-502-after] [callback-early]", "the callback's task names the order"),
        ("[place-not-json] [callback-early]", "the callback's task names the order"),
        ("[place-no-id] [callback-early] [body-task-id]", "the callback's task names the order"),
        ("[place-lost] [callback-late=0.3]", "a late callback finds it as well"),
    ],
)
async def test_an_order_is_placed_once_however_its_placement_goes(
    database_url: str, sandbox: Sandbox, faults: str, reason: str
) -> None:
    name = f"Once {faults}"
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=10) as presshook:
        answer = await presshook.order(name)
        assert answer.status_code == 201, reason
        order = await presshook.until(answer.json()["id"], "completed")
        assert order["attention"] is None
        assert len(await sandbox.orders(name)) == 1


async def test_a_rejected_order_is_a_problem_with_cloudpress_own_words(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.order("Nowhere", location="Atlantis")
        problem = answer.json()
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["errors"] == ["Unknown location; it is one of Amsterdam, Frankfurt, Iowa"]
        order = await presshook.show(problem["order_id"])
        assert (order["status"], order["error"]["code"]) == ("failed", "rejected")


async def test_an_order_survives_a_cloudpress_that_is_down(database_url: str) -> None:
    async with run_presshook(database_url, "http://127.0.0.1:9") as presshook:
        answer = await presshook.order("Patient", wait=0)
        assert (answer.status_code, answer.json()["status"]) in {(202, "pending"), (202, "placing")}
        order = await presshook.show(answer.json()["id"])
        assert order["cloudpress_order_id"] is None


async def test_a_refused_token_asks_for_attention_until_it_is_mended(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.order("Token [place-401=2]", wait=1)
        order = await presshook.show(answer.json()["id"])
        assert order["attention"]["code"] == "credentials_refused"
        assert CLOUDPRESS_TOKEN not in answer.text
        order = await presshook.until(order["id"], "completed")
        assert order["attention"] is None


async def test_with_placing_off_nothing_is_sent_until_it_is_on_again(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(
        database_url, sandbox.url, placing="off", callback_wait_seconds=0.1
    ) as presshook:
        answer = await presshook.order("Held", wait=1)
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        assert await sandbox.requests("POST /api/orders") == 0
    async with run_presshook(database_url, sandbox.url) as presshook:
        await presshook.until(answer.json()["id"], "completed")


async def test_a_repeated_callback_is_counted_and_changes_nothing(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Again")).json()["id"]
        before = await presshook.until(order_id, "completed")
        [made] = await sandbox.orders()
        for _ in range(3):
            sent = await sandbox.post(f"/orders/{made['id']}/callback")
            assert sent.status_code == 200
        assert await presshook.show(order_id) == before


async def test_two_services_share_one_database(database_url: str, sandbox: Sandbox) -> None:
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as api,
        run_presshook(database_url, sandbox.url) as worker,
    ):
        answers = await asyncio.gather(*(api.order(f"Shared {n}") for n in range(5)))
        assert [answer.status_code for answer in answers] == [201] * 5
        for answer in answers:
            await api.until(answer.json()["id"], "completed")
        assert len(await sandbox.orders()) == 5
        assert worker.url != api.url


async def test_two_reconcilers_never_place_an_order_twice(database_url: str, sandbox: Sandbox) -> None:
    async with (
        run_presshook(database_url, sandbox.url) as one,
        run_presshook(database_url, sandbox.url) as other,
    ):
        replicas: list[Presshook] = [one, other]
        answers = await asyncio.gather(*(replicas[n % 2].order(f"Race {n}") for n in range(20)))
        assert {answer.status_code for answer in answers} == {201}
        for answer in answers:
            await one.until(answer.json()["id"], "completed")
        names = [order["site_name"] for order in await sandbox.orders()]
        assert sorted(names) == sorted(f"Race {n}" for n in range(20))


async def test_waiting_requests_answer_at_once_when_the_service_stops(database_url: str) -> None:
    async with run_presshook(database_url, "http://127.0.0.1:9", reconcile=False) as presshook:
        waiting = asyncio.create_task(presshook.order("Waiting", wait=30))
        await eventually(presshook.count_orders, lambda count: count == 1)
        presshook.service.signals.stop()
        answer: httpx.Response = await waiting
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
