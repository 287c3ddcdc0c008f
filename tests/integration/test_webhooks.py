"""Webhooks: signed, delivered at least once, to an application that is down, slow, lying or redirecting."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from app.cli.servers import listen, serving
from app.models import Delivery, Webhook
from app.webhooks import outcomes
from tests.conftest import API_KEY, CLOUDPRESS_ACCOUNT
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.receiver import LOCAL_NETWORKS, Message, Receiver, run_receiver

SECRETS: list[str] = []
"""Of all webhooks that a test has made."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An application, whose every message is verified with the published library."""
    async with run_receiver() as running:
        running.secrets = SECRETS
        SECRETS.clear()
        yield running
        assert running.unverified == []


@pytest.fixture
async def presshook(database_url: str, sandbox: Sandbox) -> AsyncIterator[Presshook]:
    """A service whose webhooks may reach this machine."""
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as running:
        yield running


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the schedule; how long it is is another test's matter."""
    monkeypatch.setattr(outcomes, "DELAYS_SECONDS", (0.05,) * 4)


async def hook(presshook: Presshook, url: str, **body: Any) -> dict[str, Any]:
    answer = await presshook.client.post("/v1/webhooks", json={"url": url, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    SECRETS.append(made["secret"])
    return made


async def deliveries(presshook: Presshook, webhook_id: str, **params: str) -> list[dict[str, Any]]:
    answer = await presshook.client.get(f"/v1/webhooks/{webhook_id}/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def until_delivered(presshook: Presshook, webhook_id: str, *statuses: str) -> list[dict[str, Any]]:
    """Wait until every delivery has a status, and return them."""
    return await eventually(
        lambda: deliveries(presshook, webhook_id),
        lambda found: bool(found) and {each["status"] for each in found} <= set(statuses),
    )


async def complete(presshook: Presshook, name: str = "Order") -> str:
    order_id: str = (await presshook.order(name)).json()["id"]
    await presshook.until(order_id, "completed", "failed", "cancelled", "awaiting_payment")
    return order_id


def verify(message: Message, secret: str) -> Any:
    return Verifier(secret).verify(message.body, message.headers)


async def test_an_application_is_told_and_can_verify_it(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver.url)
    order_id = await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    assert sorted(receiver.types()) == ["order.completed", "order.placed"]
    for message in receiver.messages:
        told = verify(message, made["secret"])
        assert told["data"]["id"] == order_id
        assert message.headers["content-type"] == "application/json"
    completed = next(each for each in receiver.messages if each.json["type"] == "order.completed")
    assert completed.json["data"] == await presshook.show(order_id)
    events = (await presshook.client.get(f"/v1/orders/{order_id}/events")).json()["data"]
    by_type = {event["type"]: event for event in events}
    for message in receiver.messages:
        event = by_type[message.json["type"]]
        assert (message.json["sequence"], message.json["timestamp"]) == (event["id"], event["at"])
        assert message.id == f"evt_{event['id']}"
    found = await until_delivered(presshook, made["id"], "delivered")
    assert {(each["attempts"], each["response_status"]) for each in found} == {(1, 204)}


async def test_a_message_holds_no_secret(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver.url)
    order_id = await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    ssh = (await presshook.client.get(f"/v1/orders/{order_id}/credentials")).json()["ssh"]
    sent = json.dumps([[each.headers, each.body.decode()] for each in receiver.messages])
    for secret in (ssh["password"], made["secret"], API_KEY):
        assert secret not in sent


async def test_tampered_and_old_messages_are_refused_by_the_library(
    presshook: Presshook, receiver: Receiver
) -> None:
    made = await hook(presshook, receiver.url)
    await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    [message, other] = receiver.messages
    spoilt = [
        Message(message.headers, message.body.replace(b"order.", b"0rder.")),
        Message({**message.headers, "webhook-id": other.id}, message.body),
        Message({**message.headers, "webhook-signature": other.headers["webhook-signature"]}, message.body),
        Message({**message.headers, "webhook-timestamp": "1700000000"}, message.body),
    ]
    for each in spoilt:
        with pytest.raises(WebhookVerificationError):
            verify(each, made["secret"])
    with pytest.raises(WebhookVerificationError):
        verify(message, "whsec_" + "A" * 43 + "=")


async def test_both_secrets_sign_during_a_rotation(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    rotated = (await presshook.client.post(f"{path}/rotate", json={"grace_seconds": 3600})).json()
    assert rotated["secret"] != made["secret"]
    SECRETS.append(rotated["secret"])
    await presshook.client.post(f"{path}/test")
    await eventually(receiver.count, lambda count: count == 1)
    for secret in (made["secret"], rotated["secret"]):
        assert verify(receiver.messages[0], secret)["type"] == "webhook.test"
    async with presshook.service.db.write() as tx:
        await tx.session.execute(update(Webhook).values(former_until=tx.now - timedelta(seconds=1)))
    await presshook.client.post(f"{path}/test")
    await eventually(receiver.count, lambda count: count == 2)
    assert verify(receiver.messages[1], rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        verify(receiver.messages[1], made["secret"])
    at_once = (await presshook.client.post(f"{path}/rotate", json={"grace_seconds": 0})).json()
    SECRETS.append(at_once["secret"])
    await presshook.client.post(f"{path}/test")
    await eventually(receiver.count, lambda count: count == 3)
    assert verify(receiver.messages[2], at_once["secret"])
    with pytest.raises(WebhookVerificationError):
        verify(receiver.messages[2], rotated["secret"])


async def test_only_what_was_asked_for_is_told(presshook: Presshook, receiver: Receiver) -> None:
    await hook(presshook, receiver.url, event_types=["order.completed"])
    await hook(presshook, receiver.url, enabled=False)
    await complete(presshook)
    found = await eventually(receiver.count, lambda count: count >= 1)
    async with presshook.service.db.read() as session:
        made = (await session.scalars(select(Delivery))).all()
    assert (found, len(made), receiver.types()) == (1, 1, ["order.completed"])


async def test_a_key_of_one_account_is_told_of_that_alone(presshook: Presshook, receiver: Receiver) -> None:
    for account in ("another", CLOUDPRESS_ACCOUNT):
        key = {"name": account, "scopes": ["orders:read", "webhooks:write"], "account_ids": [account]}
        token = (await presshook.client.post("/v1/keys", json=key)).json()["key"]
        answer = await presshook.client.post(
            "/v1/webhooks",
            json={"url": f"{receiver.url}/{account}"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert (answer.status_code, answer.json()["account_ids"]) == (201, [account])
        SECRETS.append(answer.json()["secret"])
        mine = await presshook.client.get("/v1/webhooks", headers={"Authorization": f"Bearer {token}"})
        assert [each["id"] for each in mine.json()["data"]] == [answer.json()["id"]]
    await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    async with presshook.service.db.read() as session:
        told = (await session.scalars(select(Webhook.url).join(Delivery))).all()
    assert set(told) == {f"{receiver.url}/{CLOUDPRESS_ACCOUNT}"}


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
async def test_what_is_not_taken_is_sent_again(presshook: Presshook, receiver: Receiver, status: int) -> None:
    made = await hook(presshook, receiver.url, event_types=["order.completed"])
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
    made = await hook(presshook, receiver.url, event_types=["order.completed"])
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
    made = await hook(presshook, receiver.url, event_types=["order.completed"])
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
    made = await hook(presshook, receiver.url, event_types=["order.completed"])
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
    await until_delivered(presshook, made["id"], "failed")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_heard(presshook: Presshook, receiver: Receiver, status: int) -> None:
    made = await hook(presshook, receiver.url, event_types=["order.completed"])
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
        stuck = await hook(presshook, hanging.url)
        for _ in range(40):
            await presshook.client.post(f"/v1/webhooks/{stuck['id']}/test")
        await eventually(hanging.count, lambda count: count == 4)
        made = await hook(presshook, receiver.url)
        await complete(presshook)
        await until_delivered(presshook, made["id"], "delivered")
        assert {each["status"] for each in await deliveries(presshook, stuck["id"])} == {"pending"}
        assert await hanging.count() == 4
        hanging.hang.set()
        await until_delivered(presshook, stuck["id"], "delivered")


async def test_a_webhook_is_changed_and_removed(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, "http://127.0.0.1:9/nobody", description="First")
    path = f"/v1/webhooks/{made['id']}"
    assert "secret" not in (await presshook.client.get(path)).json()
    changed = await presshook.client.patch(path, json={"url": receiver.url, "event_types": ["order.failed"]})
    assert changed.json() == {
        **(await presshook.client.get(path)).json(),
        "url": receiver.url,
        "event_types": ["order.failed"],
        "description": "First",
    }
    await presshook.client.patch(path, json={"event_types": None, "description": None})
    await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    assert (await presshook.client.delete(path)).status_code == 204
    for answer in (await presshook.client.get(path), await presshook.client.delete(path)):
        assert answer.status_code == 404
    async with presshook.service.db.read() as session:
        assert (await session.scalars(select(Delivery))).all() == []
    await complete(presshook, "Nobody is told")
    assert await receiver.count() == 2


async def test_disabling_gives_up_what_is_pending(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver.url, event_types=["order.completed"])
    receiver.status = 500
    await complete(presshook)
    await eventually(receiver.count, lambda count: count == 1)
    await eventually(
        lambda: deliveries(presshook, made["id"], status="pending"), lambda found: found[0]["attempts"] == 1
    )
    await presshook.client.patch(f"/v1/webhooks/{made['id']}", json={"enabled": False})
    [given_up] = await deliveries(presshook, made["id"])
    assert (given_up["status"], given_up["error"]) == ("failed", "The webhook was disabled.")


async def test_deliveries_are_paged(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    ids = [(await presshook.client.post(f"{path}/test")).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await presshook.client.get(f"{path}/deliveries", params={"limit": 2, **cursor})).json()
        seen += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ids[::-1]
    await until_delivered(presshook, made["id"], "delivered")
    assert len({UUID(each.id.removeprefix("test_")) for each in receiver.messages}) == 5


async def test_the_code_in_the_documentation_verifies_messages(
    presshook: Presshook, receiver: Receiver
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    made = await hook(presshook, receiver.url)
    for secret, status in ((made["secret"], 204), ("whsec_" + "A" * 44, 401)):
        names: dict[str, Any] = {}
        exec(code.replace("whsec_...", secret), names)  # noqa: S102 - it is our own page
        async with serving(names["app"], listen("127.0.0.1", 0)) as url:
            path = f"/v1/webhooks/{made['id']}"
            await presshook.client.patch(path, json={"url": f"{url}/hooks/presshook"})
            sent = (await presshook.client.post(f"{path}/test")).json()["id"]

            async def status_of(sent: str = sent, path: str = path) -> Any:
                return (await presshook.client.get(f"{path}/deliveries/{sent}")).json()["response_status"]

            assert await eventually(status_of, lambda seen: seen is not None) == status


async def test_one_that_cannot_be_signed_is_put_off_and_says_so(
    presshook: Presshook, receiver: Receiver
) -> None:
    spoilt = await hook(presshook, receiver.url)
    async with presshook.service.db.write() as tx:
        raw = await tx.session.connection()
        await raw.exec_driver_sql("UPDATE webhooks SET secret = 'no ciphertext'")
    made = await hook(presshook, receiver.url)
    await presshook.client.post(f"/v1/webhooks/{spoilt['id']}/test")
    await presshook.client.post(f"/v1/webhooks/{made['id']}/test")
    await until_delivered(presshook, made["id"], "delivered")
    [waiting] = await eventually(
        lambda: deliveries(presshook, spoilt["id"]), lambda found: bool(found) and found[0]["attempts"] == 1
    )
    assert (waiting["status"], waiting["response_status"]) == ("pending", None)
    assert waiting["error"] == "A defect of Presshook (UndecryptableError): report it."
