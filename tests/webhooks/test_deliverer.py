"""Webhooks whose application is down, slow, lying or redirecting."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from app.db.models import Webhook
from app.events.reading import Interest, read_events
from app.server.listening import address, listen
from app.webhooks import outcomes, redelivering
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.hooks import complete, deliveries, hook, until_delivered
from tests.receiver import LOCAL_NETWORKS, Receiver, run_receiver
from tests.settings import CLOUDPRESS_ACCOUNT


@pytest.fixture
async def presshook(database_url: str, sandbox: Sandbox) -> AsyncIterator[Presshook]:
    """A service whose webhooks may reach this machine."""
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as running:
        yield running


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the schedule; how long it is is another test's matter."""
    monkeypatch.setattr(outcomes, "DELAYS_SECONDS", (0.05,) * 4)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
async def test_what_is_not_taken_is_sent_again(presshook: Presshook, receiver: Receiver, status: int) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status, receiver.headers = status, {"location": receiver.url + "/elsewhere"}
    receiver.body = b"\xff\x00<html>" + b"x" * 5000
    await complete(presshook)
    await eventually(receiver.count, lambda count: count >= 2)
    receiver.status = 200
    [found] = await until_delivered(presshook, made["id"], "delivered")
    assert len({each.id for each in receiver.messages}) == 1
    assert len({each.body for each in receiver.messages}) == 1
    assert found["attempts"] == len(receiver.messages)
    assert found["error"] is None
    assert found["response_excerpt"].startswith("��<html>xxx")
    assert len(found["response_excerpt"]) == 1024


@pytest.mark.usefixtures("_soon")
async def test_what_nobody_takes_fails_in_the_end_and_can_be_sent_again(
    presshook: Presshook, receiver: Receiver
) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status, receiver.body = 500, b"sorry"
    await complete(presshook)
    [failed] = await until_delivered(presshook, made["id"], "failed")
    assert (failed["attempts"], failed["next_attempt_at"], failed["response_excerpt"]) == (5, None, "sorry")
    assert failed["error"] == "The application did not take the message."
    shown = (await presshook.client.get(f"/v1/webhooks/{made['id']}")).json()
    assert shown["enabled"]
    assert shown["failing_since"] is not None
    receiver.status = 200
    path = f"/v1/webhooks/{made['id']}/deliveries/{failed['id']}"
    assert (await presshook.client.post(f"{path}/redeliver")).status_code == 202
    [delivered] = await until_delivered(presshook, made["id"], "delivered")
    assert (delivered["attempts"], await receiver.count()) == (6, 6)
    assert (await presshook.client.get(path)).json() == delivered
    again = await presshook.client.post(f"{path}/redeliver")
    assert again.json()["status"] == "pending"
    await eventually(receiver.count, lambda count: count == 7)
    assert len({each.id for each in receiver.messages}) == 1
    shown = (await presshook.client.get(f"/v1/webhooks/{made['id']}")).json()
    assert shown["failing_since"] is None


async def test_410_disables(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status = 410
    await complete(presshook)
    await until_delivered(presshook, made["id"], "failed")
    path = f"/v1/webhooks/{made['id']}"
    shown = (await presshook.client.get(path)).json()
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "The application answered 410 Gone.")
    events = (await presshook.client.get("/v1/events", params={"type": "webhook.disabled"})).json()["data"]
    assert [(each["order_id"], each["data"]["webhook"]) for each in events] == [(None, made["id"])]
    missed = await complete(presshook, "While it is disabled")
    assert await receiver.count() == 1
    for action in ("test", "redeliver"):
        body = {"since": "2026-01-01T00:00:00Z"} if action == "redeliver" else None
        refused = await presshook.client.post(f"{path}/{action}", json=body)
        assert (refused.status_code, refused.json()["type"]) == (
            409,
            "urn:presshook:problem:webhook-disabled",
        )
    receiver.status = 204
    enabled = (await presshook.client.patch(path, json={"enabled": True})).json()
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    since = {"since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    again = await presshook.client.post(f"{path}/redeliver", json=since)
    assert (again.status_code, again.json()) == (202, {"count": 2})
    await until_delivered(presshook, made["id"], "delivered")
    assert missed in {each.json["data"]["id"] for each in receiver.messages}
    assert (await presshook.client.post(f"{path}/redeliver", json=since)).json() == {"count": 0}


@pytest.mark.usefixtures("_soon")
async def test_an_endpoint_that_fails_for_days_is_disabled(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status = 500
    await complete(presshook)
    await until_delivered(presshook, made["id"], "failed")
    async with presshook.service.db.write() as tx:
        await tx.session.execute(update(Webhook).values(failing_since=tx.now - outcomes.FAILING_FOR))
    await complete(presshook, "Five days later")

    async def shown() -> Any:
        return (await presshook.client.get(f"/v1/webhooks/{made['id']}")).json()

    disabled = await eventually(shown, lambda webhook: not webhook["enabled"])
    assert disabled["disabled_reason"] == "Nothing was delivered for 5 days."
    found = await until_delivered(presshook, made["id"], "failed")
    assert [each["attempts"] for each in found] == [5, 5], "each was tried to the end"


async def test_one_failure_long_after_another_disables_nothing(
    presshook: Presshook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "DELAYS_SECONDS", (0.05,) * 1000)
    made = await hook(presshook, receiver, event_types=["order.completed"])
    async with presshook.service.db.write() as tx:
        await tx.session.execute(update(Webhook).values(failing_since=tx.now - timedelta(days=30)))
    receiver.status = 503
    await complete(presshook, "A month later")
    await eventually(receiver.count, lambda count: count >= 2)
    receiver.status = 204
    await until_delivered(presshook, made["id"], "delivered")
    shown = (await presshook.client.get(f"/v1/webhooks/{made['id']}")).json()
    assert (shown["enabled"], shown["failing_since"]) == (True, None)


async def test_a_key_of_its_accounts_sees_that_a_webhook_was_disabled(
    presshook: Presshook, receiver: Receiver
) -> None:
    clients = {}
    for accounts in ((CLOUDPRESS_ACCOUNT,), (CLOUDPRESS_ACCOUNT, "another"), ("another",)):
        key = {"name": "Shop", "scopes": ["orders:read", "webhooks:write"], "account_ids": accounts}
        made_key = (await presshook.client.post("/v1/keys", json=key)).json()["key"]
        clients[accounts] = {"Authorization": f"Bearer {made_key}"}
    owner = clients[(CLOUDPRESS_ACCOUNT,)]
    made = await presshook.client.post("/v1/webhooks", json={"url": receiver.url}, headers=owner)
    receiver.secrets.append(made.json()["secret"])
    await hook(presshook, receiver, url=f"{receiver.url}/of/all")
    receiver.status = 410
    await complete(presshook)
    params: dict[str, Any] = {"type": "webhook.disabled"}

    async def seen(headers: dict[str, str] | None = None) -> list[Any]:
        answer = await presshook.client.get("/v1/events", params=params, headers=headers)
        return [each["data"]["webhook"] for each in answer.json()["data"]]

    await eventually(seen, lambda webhooks: len(webhooks) == 2)
    assert [await seen(headers) for headers in clients.values()] == [[made.json()["id"]]] * 2 + [[]]
    params = {"limit": 1}
    await complete(presshook, "Goes on")
    async with presshook.service.db.read() as session:
        everything = await read_events(session, Interest(), after=0)
        for accounts in clients:
            interest = Interest(account_ids=frozenset(accounts))
            expected = [each.id for each in everything if interest.covers(each)]
            told = [each.id for each in await read_events(session, interest, after=0)]
            paged = [0]
            while page := await read_events(session, interest, after=paged[-1], limit=1):
                paged.append(page[0].id)
            assert told == paged[1:] == expected
            assert (len(told) > 1) == (CLOUDPRESS_ACCOUNT in accounts)


@pytest.mark.usefixtures("_soon")
async def test_an_application_that_is_down_is_told_when_it_is_back(
    presshook: Presshook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "DELAYS_SECONDS", (0.05,) * 1000)
    with listen("127.0.0.1", 0) as closed:
        url = httpx.URL(address(closed))
    made = await hook(presshook, receiver, url=f"{url}/hook", event_types=["order.completed"])
    order_id = await complete(presshook)
    [refused] = await eventually(
        lambda: deliveries(presshook, made["id"]), lambda found: bool(found) and found[0]["attempts"] >= 3
    )
    assert (refused["status"], refused["response_status"]) == ("pending", None)
    assert refused["error"] == "The connection failed (ConnectError)."
    async with run_receiver(url.port or 0) as back:
        assert back.url == f"{url}/hook"
        back.secrets.append(made["secret"])
        [delivered] = await until_delivered(presshook, made["id"], "delivered")
        assert [each.json["data"]["id"] for each in back.messages] == [order_id]
    assert delivered["attempts"] > refused["attempts"]
    assert delivered["error"] is None


async def test_names_whose_servers_hang_do_not_hold_up_another(
    presshook: Presshook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = Event()
    asked: list[str] = []
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.endswith("hang.test") and not options.get("flags"):
            asked.append(name)
            released.wait()
        return original("127.0.0.1" if name == "good.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    names = [f"{number}.hang.test" for number in range(40)]  # more than asyncio has threads
    try:
        for name in names:
            stuck = await hook(presshook, receiver, url=f"http://{name}/hook")
            for _ in range(2):
                await presshook.client.post(f"/v1/webhooks/{stuck['id']}/test")

        async def names_asked() -> set[str]:
            return set(asked)

        await eventually(names_asked, lambda seen: seen == set(names))
        port = httpx.URL(receiver.url).port
        made = await hook(presshook, receiver, url=f"http://good.test:{port}/hook")
        await complete(presshook)
        await until_delivered(presshook, made["id"], "delivered")
        assert len(asked) == len(names), "two messages to one name share its look-up"
    finally:
        released.set()


async def test_what_is_sent_again_comes_in_batches_and_is_not_older_than_the_webhook(
    presshook: Presshook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redelivering, "BATCH", 2)
    await complete(presshook, "Before")
    made = await hook(presshook, receiver, event_types=["order.completed"])
    path = f"/v1/webhooks/{made['id']}"
    receiver.status = 500
    for _ in range(3):
        await presshook.client.post(f"{path}/test")
    await eventually(
        lambda: deliveries(presshook, made["id"]),
        lambda found: [each["attempts"] for each in found] == [1] * 3,
    )
    await presshook.client.patch(path, json={"enabled": False})
    missed = [await complete(presshook, f"While it was disabled {number}") for number in range(3)]
    receiver.status = 204
    receiver.messages.clear()
    await presshook.client.patch(path, json={"enabled": True})
    since = {"since": "2020-01-01T00:00:00Z"}
    assert (await presshook.client.post(f"{path}/redeliver", json=since)).json() == {"count": 6}
    await until_delivered(presshook, made["id"], "delivered")
    told = [each.json["data"].get("id") for each in receiver.messages]
    assert sorted(map(str, told)) == sorted(["None"] * 3 + missed)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_heard(presshook: Presshook, receiver: Receiver, status: int) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status, receiver.headers = status, {"retry-after": "7200"}
    await complete(presshook)
    [waiting] = await eventually(
        lambda: deliveries(presshook, made["id"]), lambda found: bool(found) and found[0]["attempts"] == 1
    )
    wait = datetime.fromisoformat(waiting["next_attempt_at"]) - datetime.fromisoformat(
        waiting["last_attempt_at"]
    )
    assert timedelta(hours=2) <= wait <= timedelta(hours=2) * 1.11


async def test_one_that_hangs_does_not_hold_up_another(presshook: Presshook, receiver: Receiver) -> None:
    async with run_receiver() as hanging:
        hanging.hang = asyncio.Event()
        stuck = await hook(presshook, hanging)
        for _ in range(40):
            await presshook.client.post(f"/v1/webhooks/{stuck['id']}/test")
        await eventually(hanging.count, lambda count: count == 4)
        made = await hook(presshook, receiver)
        await complete(presshook)
        await until_delivered(presshook, made["id"], "delivered")
        assert {each["status"] for each in await deliveries(presshook, stuck["id"])} == {"pending"}
        assert await hanging.count() == 4
        hanging.hang.set()
        await until_delivered(presshook, stuck["id"], "delivered")


async def test_disabling_gives_up_what_is_pending(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status = 500
    await complete(presshook)
    await eventually(receiver.count, lambda count: count == 1)
    await eventually(
        lambda: deliveries(presshook, made["id"], status="pending"), lambda found: found[0]["attempts"] == 1
    )
    await presshook.client.patch(f"/v1/webhooks/{made['id']}", json={"enabled": False})
    [given_up] = await deliveries(presshook, made["id"])
    assert (given_up["status"], given_up["error"]) == ("failed", "The webhook was disabled.")


async def test_one_that_cannot_be_signed_is_put_off_and_says_so(
    presshook: Presshook, receiver: Receiver
) -> None:
    spoilt = await hook(presshook, receiver)
    # The loops are at work: before that, a secret that cannot be read would be another SECRET_KEY's.
    await presshook.client.post(f"/v1/webhooks/{spoilt['id']}/test")
    await until_delivered(presshook, spoilt["id"], "delivered")
    async with presshook.service.db.write() as tx:
        raw = await tx.session.connection()
        await raw.exec_driver_sql("UPDATE webhooks SET secret = 'no ciphertext'")
    made = await hook(presshook, receiver)
    await presshook.client.post(f"/v1/webhooks/{spoilt['id']}/test")
    await presshook.client.post(f"/v1/webhooks/{made['id']}/test")
    await until_delivered(presshook, made["id"], "delivered")
    waiting, _ = await eventually(
        lambda: deliveries(presshook, spoilt["id"]),
        lambda found: len(found) == 2 and found[0]["attempts"] >= 1,
    )
    assert (waiting["status"], waiting["response_status"]) == ("pending", None)
    assert waiting["error"] == "A defect of Presshook (UndecryptableError): report it."


@pytest.mark.usefixtures("_soon")
async def test_the_log_warns_where_a_webhook_begins_to_fail_and_calls_its_end_an_error(
    presshook: Presshook, receiver: Receiver
) -> None:
    made = await hook(presshook, receiver, event_types=["order.completed"])
    receiver.status = 500
    with capture_logs() as logged:
        await complete(presshook)
        await until_delivered(presshook, made["id"], "failed")
    told = [(line["log_level"], line["failures"]) for line in logged if line["event"] == "delivery"]
    assert told == [("warning", 1), ("warning", 2), ("info", 3), ("warning", 4), ("error", 5)]
    receiver.status = 410
    with capture_logs() as logged:
        await complete(presshook, "Gone")
        await eventually(
            lambda: presshook.client.get(f"/v1/webhooks/{made['id']}"),
            lambda answer: not answer.json()["enabled"],
        )
    [gone] = [line for line in logged if line["event"] == "delivery"]
    assert (gone["log_level"], gone["answered"]) == ("error", 410)
    assert gone["webhook_disabled"]
