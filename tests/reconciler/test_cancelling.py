"""Cancelling: what CloudPress says decides, a wish is never forgotten, and the client is told which."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.cloudpress import NotFound, Refused
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.requests import request_cancel
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench

GRACE_SECONDS = 1.5


async def cancel(presshook: Presshook, order_id: str, *, wait: int = 10) -> httpx.Response:
    return await presshook.client.delete(f"/v1/orders/{order_id}", headers={"Prefer": f"wait={wait}"})


async def events(presshook: Presshook, order_id: str) -> list[str]:
    answer = await presshook.client.get(f"/v1/orders/{order_id}/events", params={"limit": 100})
    return [event["type"] for event in answer.json()["data"]]


CROSSED = "The order is completed, and cannot be cancelled any more."


@pytest.mark.usefixtures("retries_soon")
@pytest.mark.parametrize(
    ("tags", "http_status", "status", "at_cloudpress", "reason"),
    [
        ("[payment-first]", 200, "cancelled", "CANCELLED", "nothing is paid yet"),
        ("[task-paused=60]", 200, "cancelled", "CANCELLED", "the task runs, and CloudPress agrees"),
        ("[payment-first] [cancel-500=2]", 200, "cancelled", "CANCELLED", "asked again after an error"),
        ("[payment-first] [cancel-lost]", 200, "cancelled", "CANCELLED", "the answer is lost, not the truth"),
        ("[payment-first] [cancel-401]", 200, "cancelled", "CANCELLED", "a refused token is the operator's"),
        ("[payment-first] [cancel-late=0.5]", 200, "cancelled", "CANCELLED", "it takes its time"),
        ("[payment-first] [callback-lost]", 200, "cancelled", "CANCELLED", "no callback is needed"),
        ("[task-paused=60] [cancel-crossed]", 409, "completed", "OK", "the completion was faster"),
        (
            "[task-paused=60] [cancel-crossed] [task-failed]",
            409,
            "failed",
            "FAILED",
            "the failure was faster",
        ),
    ],
)
async def test_what_cloudpress_says_decides(
    database_url: str,
    sandbox: Sandbox,
    tags: str,
    http_status: int,
    status: str,
    at_cloudpress: str,
    reason: str,
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order(f"Unwanted {tags}")).json()["id"]
        answer = await cancel(presshook, order_id)
        assert answer.status_code == http_status, f"{reason}: {answer.text}"
        if http_status == 200:
            assert (answer.json()["status"], answer.json()["cancellation"]) == (status, None)
        else:
            told = f"The order is {status}, and cannot be cancelled any more."
            assert answer.json()["detail"] == told
        assert (await presshook.show(order_id))["status"] == status
        [made] = await sandbox.orders()
        assert made["task"]["status"] == at_cloudpress
        assert "order.cancel_requested" in await events(presshook, order_id)


async def test_a_refusal_is_told_with_cloudpresss_words_and_can_be_tried_again(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Unwanted [payment-first] [cancel-422]")).json()["id"]
        refused = await cancel(presshook, order_id)
        assert refused.json() == {
            "type": "urn:presshook:problem:cancel-refused",
            "title": "Conflict",
            "status": 409,
            "detail": "CloudPress refuses to cancel the order, which is awaiting_payment.",
            "errors": ["A fault on demand"],
        }
        shown = await presshook.show(order_id)
        assert shown["cancellation"] == {"state": "refused", "reasons": ["A fault on demand"]}
        assert shown["status"] == "awaiting_payment"
        again = await cancel(presshook, order_id)
        assert (again.status_code, again.json()["status"]) == (200, "cancelled")
        repeated = await cancel(presshook, order_id)
        assert repeated.status_code == 200, "what is wished for is so already"
        assert await sandbox.requests("DELETE /api/orders/{order_id}") == 2


@pytest.mark.usefixtures("retries_soon")
async def test_a_wish_that_takes_long_is_followed(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Unwanted [payment-first] [cancel-500=3]")).json()["id"]
        answer = await cancel(presshook, order_id, wait=0)
        assert answer.status_code == 202
        assert answer.headers["preference-applied"] == "wait=0"
        assert answer.json()["cancellation"] == {"state": "requested", "reasons": []}
        assert (await cancel(presshook, order_id, wait=0)).status_code == 202, "wished twice is wished once"
        order = await presshook.until(order_id, "cancelled")
        assert order["cancellation"] is None
        assert (await events(presshook, order_id)).count("order.cancel_requested") == 1


async def test_a_pending_order_is_cancelled_without_a_call(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = (await presshook.order("Never sent", wait=0)).json()["id"]
        answer = await cancel(presshook, order_id, wait=0)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        told = ["order.accepted", "order.cancel_requested", "order.status_changed", "order.cancelled"]
        assert await events(presshook, order_id) == told
    async with run_presshook(database_url, sandbox.url) as presshook:
        await presshook.order("Another one")
        assert len(await sandbox.orders()) == 1, "and is never sent"


async def test_an_order_that_waits_to_be_sent_again_is_cancelled(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Held off [place-401=1000]", wait=1)).json()["id"]
        answer = await cancel(presshook, order_id)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["attention"] is None
        assert await sandbox.orders() == []


async def test_an_unconfirmed_order_is_found_first_and_cancelled_then(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        tags = "[place-lost] [task-paused=2] [callback-lost]"
        order_id = (await presshook.order(f"Lost {tags}", wait=0)).json()["id"]
        await presshook.until(order_id, "unconfirmed")
        assert (await cancel(presshook, order_id, wait=0)).status_code == 202
        # It has a site, and so a name, only when its task is done: then it is too late.
        order = await presshook.until(order_id, "completed", "cancelled")
        [made] = await sandbox.orders()
        assert order["cloudpress_order_id"] == made["id"]
        assert order["status"] == {"OK": "completed", "CANCELLED": "cancelled"}[made["task"]["status"]]


async def test_an_unconfirmed_order_that_is_nowhere_is_cancelled_and_not_placed_again(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        order_id = await presshook.order_among_others("Nowhere [place-500]")
        assert (await cancel(presshook, order_id, wait=0)).status_code == 202
        await presshook.until(order_id, "cancelled")
        assert await sandbox.orders("Nowhere [place-500]") == []
        assert await sandbox.requests("POST /api/orders") == 3


async def test_an_order_that_was_cancelled_while_it_was_being_sent(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("In flight [place-slow=0.5] [task-paused=60]", wait=0)).json()["id"]
        await presshook.until(order_id, "placing")
        answer = await cancel(presshook, order_id)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        [made] = await sandbox.orders()
        assert made["task"]["status"] == "CANCELLED"


async def test_many_wishes_at_once_are_one(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Unwanted [payment-first]")).json()["id"]
        answers = await asyncio.gather(*(cancel(presshook, order_id) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await events(presshook, order_id)).count("order.cancel_requested") == 1
        assert await sandbox.requests("DELETE /api/orders/{order_id}") == 1


async def test_a_refresh_makes_an_order_due_now(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Silent [callback-lost]")).json()["id"]

        async def at_cloudpress() -> list[dict[str, Any]]:
            return await sandbox.orders()

        await eventually(at_cloudpress, lambda made: made[0]["task"]["status"] == "OK")
        assert (await presshook.show(order_id))["status"] == "provisioning", "no poll is due for hours"
        answer = await presshook.client.post(f"/v1/orders/{order_id}/refresh")
        assert answer.status_code == 202
        await presshook.until(order_id, "completed")
        assert "order.refresh_requested" in await events(presshook, order_id)


@pytest.mark.parametrize(
    "answers",
    [
        [None, NotFound(404)],
        [None, NotFound(404), NotFound(404), None, NotFound(404)],
    ],
)
async def test_a_404_after_a_yes_is_not_the_end(bench: Bench, answers: list[Exception | None]) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False  # the yes was a proxy's
    bench.cloudpress.script["order"] = answers
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    await bench.work_for(60)
    assert (await bench.read(order_id)).status == "provisioning"
    bench.cloudpress.end("cp-1", "OK")
    await record_callback(bench.db, order_id, b'{"task": {"id": 1, "status": "OK"}}')
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"


async def test_nor_is_it_where_something_else_had_been_missing_for_long(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    bench.cloudpress.script["task 1"] = [NotFound(404)] * 5000
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).missing_since is not None
    bench.cloudpress.script["order"] = [None, NotFound(404)]
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "provisioning"


async def test_what_stays_away_after_a_yes_is_cancelled(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    bench.cloudpress.script["order"] = [None, *[NotFound(404)] * 5000]
    bench.cloudpress.script["task 1"] = [NotFound(404)] * 5000
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    asked = bench.cloudpress.count("order")
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.due_at) == ("cancelled", None, None)
    assert bench.cloudpress.count("order") - asked > 5, "it was looked at meanwhile"


@EVERY_LOOK
async def test_what_was_shown_again_after_a_yes_is_missing_anew(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    for answers in ([None, NotFound(404)], [NotFound(404)]):
        for request in ("order", "task"):
            bench.cloudpress.script[request] = [*answers]
        await request_cancel(bench.db, order_id, by=Actor("Rosa"))
        await bench.work_for(HOUR)
        assert bench.cloudpress.script["order"] == bench.cloudpress.script["task"] == []
        assert (await bench.read(order_id)).status == "provisioning"


async def test_what_stays_away_after_a_yes_while_its_task_is_shown_is_not_over(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=Actor("Rosa"))
    await bench.work()
    gone = bench.cloudpress.orders_made.pop("cp-1")
    await bench.work_for(HOUR)
    bench.cloudpress.orders_made["cp-1"] = gone
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"


async def agreed_to_cancel(bench: Bench) -> UUID:
    """Have CloudPress agree to cancel an order, and not do it so far."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.heeds_cancelling = False
    await request_cancel(bench.db, order_id, by=Actor("operator"))
    await bench.work_for(60)
    assert (await bench.read(order_id)).cancel_accepted_at is not None
    return order_id


async def test_what_cloudpress_agreed_to_cancel_and_shows_no_more_was_not_refused(bench: Bench) -> None:
    """Presshook was down for a day after the yes: the client is told that cancelling was refused."""
    order_id = await agreed_to_cancel(bench)
    bench.clock.time += timedelta(hours=25)
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request] = [NotFound(404)] * 100_000
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("cancelled", None)


async def test_nor_was_what_it_shows_no_more_but_for_its_task(bench: Bench) -> None:
    """CloudPress deletes what it cancels and keeps the task: a day later it is asked anew, and "refuses"."""
    order_id = await agreed_to_cancel(bench)
    for request in ("order", "cancel"):
        bench.cloudpress.script[request] = [NotFound(404)] * 100_000
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert order.cancel_refusal is None, (order.status, order.attention_code)


async def lost_while_cancelling(bench: Bench) -> UUID:
    """Have CloudPress delete what it is to cancel, and the answer be lost."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["cancel"] = [LOST]
    await request_cancel(bench.db, order_id, by=Actor("operator"))
    await bench.work()
    order = await bench.read(order_id)
    assert (order.cancel_accepted_at, order.cancel_refusal) == (None, None)
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request] = [NotFound(404, ("not found",), is_own_form=True)] * 100_000
    return order_id


async def test_what_is_gone_after_a_lost_answer_is_cancelled(bench: Bench) -> None:
    """That there is nothing to cancel is no refusal; the order would wait for ever."""
    order_id = await lost_while_cancelling(bench)
    await bench.work_for(300)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None), "a passing 404 is not the end"
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("cancelled", None)


async def test_what_is_shown_again_after_some_404s_is_cancelled_by_the_next_request(bench: Bench) -> None:
    order_id = await lost_while_cancelling(bench)
    await bench.work_for(60)
    asked = bench.cloudpress.count("cancel")
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request].clear()
    await bench.work_for(300)
    order = await bench.read(order_id)
    assert (order.status, bench.cloudpress.count("cancel")) == ("cancelled", asked + 1)


@EVERY_LOOK
async def test_what_was_missing_for_long_is_not_gone_at_once(bench: Bench) -> None:
    """A task was not shown for hours. That the order is not either has to last by itself."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["task 1"] = [NotFound(404)] * 5000
    await bench.work_for(5 * HOUR)
    bench.cloudpress.script["cancel"] = [LOST, *[NotFound(404)] * 5000]
    await request_cancel(bench.db, order_id, by=Actor("operator"))
    await bench.work()
    bench.cloudpress.script["order"] = [NotFound(404)] * 5000
    await bench.work_for(300)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "cancelled", "it has lasted"


async def test_what_is_not_shown_and_was_never_asked_to_be_cancelled_is_not_cancelled(bench: Bench) -> None:
    """For an hour CloudPress answers 404 to everything: it makes the order all the same."""
    order_id = await bench.order()
    await bench.work()
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request] = [NotFound(404, ("not found",), is_own_form=True)] * 100_000
    await request_cancel(bench.db, order_id, by=Actor("operator"))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", None)
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request].clear()
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).status == "cancelled", "the wish stands, and is asked for again"


async def test_a_process_that_dies_as_it_asks_to_cancel_has_asked(bench: Bench) -> None:
    """CloudPress has cancelled it, and deletes what it cancels; nobody is left to take the answer."""
    order_id = await bench.order()
    await bench.work()
    plain = bench.cloudpress.cancel

    async def cancel(*sent: Any, **more: Any) -> Any:
        await plain(*sent, **more)
        raise asyncio.CancelledError

    bench.cloudpress.cancel = cancel  # type: ignore[method-assign]
    await request_cancel(bench.db, order_id, by=Actor("operator"))
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    bench.cloudpress.cancel = plain  # type: ignore[method-assign]
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request] = [NotFound(404, ("not found",), is_own_form=True)] * 100_000
    bench.clock.time += timedelta(minutes=5)  # its lease runs out
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("cancelled", None)


@pytest.mark.parametrize("shown", ["order", "task"])
async def test_a_404_for_what_is_shown_is_a_refusal(bench: Bench, shown: str) -> None:
    """Of what is missing for another reason the client is told that it is not cancelled."""
    order_id = await bench.order()
    await bench.work()
    hidden = "task" if shown == "order" else "order"
    bench.cloudpress.script[hidden] = [NotFound(404)] * 100_000
    bench.cloudpress.script["cancel"] = [Refused(404, ("not in progress",), is_own_form=True)] * 100_000
    await request_cancel(bench.db, order_id, by=Actor("operator"))
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.cancel_refusal) == ("provisioning", ["not in progress"])
