"""Webhooks: signed, delivered at least once, to an application that is down, slow, lying or redirecting."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from app.db import paging, postgresql
from app.db.models import Delivery, Order, Webhook
from app.events.timeline import record
from app.events.types import EventType
from app.server.embedded import serving
from app.server.listening import listen
from app.webhooks import registry
from app.webhooks.outbox import enqueue
from tests.harness import Presshook, Sandbox, eventually, run_presshook, second_after
from tests.hooks import complete, hook, until_delivered
from tests.receiver import LOCAL_NETWORKS, Message, Receiver
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT


@pytest.fixture
async def presshook(database_url: str, sandbox: Sandbox) -> AsyncIterator[Presshook]:
    """A service whose webhooks may reach this machine."""
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as running:
        yield running


def verify(message: Message, secret: str) -> Any:
    return Verifier(secret).verify(message.body, message.headers)


async def test_an_application_is_told_and_can_verify_it(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver)
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
    made = await hook(presshook, receiver)
    order_id = await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    ssh = (await presshook.client.get(f"/v1/orders/{order_id}/credentials")).json()["ssh"]
    sent = json.dumps([[each.headers, each.body.decode()] for each in receiver.messages])
    for secret in (ssh["password"], made["secret"], API_KEY):
        assert secret not in sent


async def test_tampered_and_old_messages_are_refused_by_the_library(
    presshook: Presshook, receiver: Receiver
) -> None:
    made = await hook(presshook, receiver)
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
    made = await hook(presshook, receiver)
    path = f"/v1/webhooks/{made['id']}"
    rotated = (await presshook.client.post(f"{path}/rotate", json={"grace_seconds": 3600})).json()
    assert rotated["secret"] != made["secret"]
    receiver.secrets.append(rotated["secret"])
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
    receiver.secrets.append(at_once["secret"])
    await presshook.client.post(f"{path}/test")
    await eventually(receiver.count, lambda count: count == 3)
    assert verify(receiver.messages[2], at_once["secret"])
    with pytest.raises(WebhookVerificationError):
        verify(receiver.messages[2], rotated["secret"])


async def test_a_rotation_that_is_sent_again_silences_no_secret(
    presshook: Presshook, receiver: Receiver
) -> None:
    """The answer to the first one got lost, so that the application has the secret before it."""
    made = await hook(presshook, receiver)
    path = f"/v1/webhooks/{made['id']}"
    first = (await presshook.client.post(f"{path}/rotate")).json()  # for a day
    again = await presshook.client.post(f"{path}/rotate")
    assert (again.status_code, again.json()["type"]) == (409, "urn:presshook:problem:rotation-under-way")
    assert second_after(first["former_secret_until"]) in again.json()["detail"]
    receiver.secrets.append(first["secret"])
    await presshook.client.post(f"{path}/test")
    await eventually(receiver.count, lambda count: count == 1)
    assert verify(receiver.messages[0], made["secret"])["type"] == "webhook.test"


async def test_only_what_was_asked_for_is_told(presshook: Presshook, receiver: Receiver) -> None:
    await hook(presshook, receiver, event_types=["order.completed"])
    await hook(presshook, receiver, enabled=False)
    await complete(presshook)
    found = await eventually(receiver.count, lambda count: count >= 1)
    async with presshook.service.db.read() as session:
        made = (await session.scalars(select(Delivery))).all()
    assert (found, len(made), receiver.types()) == (1, 1, ["order.completed"])


@pytest.mark.parametrize("kind", ["service.check_failed", "service.check_recovered", "webhook.disabled"])
async def test_what_a_webhook_would_never_hear_of_it_cannot_name(presshook: Presshook, kind: str) -> None:
    """Its application would wait for ever, and nothing said why."""
    scopes = ["webhooks:write", "orders:read"]
    body = {"name": "tenant", "scopes": scopes, "account_ids": [CLOUDPRESS_ACCOUNT]}
    key = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
    as_tenant = {"Authorization": f"Bearer {key}"}
    new = {"url": "http://127.0.0.1:9/hook", "event_types": [kind, "order.failed"]}
    assert (await presshook.client.post("/v1/webhooks", json=new)).status_code == 201
    refused = await presshook.client.post("/v1/webhooks", json=new, headers=as_tenant)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["field"] == "event_types"
    assert kind in error["detail"]
    new["event_types"] = ["order.failed"]
    made = (await presshook.client.post("/v1/webhooks", json=new, headers=as_tenant)).json()
    for headers in (as_tenant, {}):
        change = {"event_types": ["order.failed", kind]}
        refused = await presshook.client.patch(f"/v1/webhooks/{made['id']}", json=change, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "event_types")
    shown = (await presshook.client.get(f"/v1/webhooks/{made['id']}")).json()
    assert shown["event_types"] == ["order.failed"]


async def test_a_type_that_is_named_twice_is_kept_once(presshook: Presshook) -> None:
    """By a change, too."""
    twice = {"event_types": ["order.placed", "order.failed", "order.placed"]}
    new = {"url": "http://127.0.0.1:9/hook", **twice}
    made = (await presshook.client.post("/v1/webhooks", json=new)).json()
    assert made["event_types"] == ["order.failed", "order.placed"]
    changed = (await presshook.client.patch(f"/v1/webhooks/{made['id']}", json=twice)).json()
    assert changed["event_types"] == ["order.failed", "order.placed"]
    changed = (await presshook.client.patch(f"/v1/webhooks/{made['id']}", json={"event_types": None})).json()
    assert changed["event_types"] is None


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
        receiver.secrets.append(answer.json()["secret"])
        mine = await presshook.client.get("/v1/webhooks", headers={"Authorization": f"Bearer {token}"})
        assert [each["id"] for each in mine.json()["data"]] == [answer.json()["id"]]
    await complete(presshook)
    await eventually(receiver.count, lambda count: count == 2)
    async with presshook.service.db.read() as session:
        told = (await session.scalars(select(Webhook.url).join(Delivery))).all()
    assert set(told) == {f"{receiver.url}/{CLOUDPRESS_ACCOUNT}"}


async def test_a_webhook_is_changed_and_removed(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver, url="http://127.0.0.1:9/nobody", description="First")
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


async def test_deliveries_are_paged(presshook: Presshook, receiver: Receiver) -> None:
    made = await hook(presshook, receiver)
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
    made = await hook(presshook, receiver)
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


async def test_a_webhook_is_told_of_whatever_is_numbered_after_its_making(
    presshook: Presshook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event whose transaction began before the webhook was made, and is committed after it."""
    monkeypatch.setattr(postgresql, "WRITE_IDLE_SECONDS", 60)  # on a busy machine it stands open for long
    db = presshook.service.db
    if db.is_sqlite:
        pytest.skip("SQLite has one writer: nothing is made while a transaction is open")
    order_id = UUID((await presshook.order("In flight", wait=0)).json()["id"])
    async with db.write() as tx:
        # The order first, as everywhere: the event refers to it, and whoever holds it may wait for events.
        await tx.session.get_one(Order, order_id, with_for_update=True)
        event = record(tx, order_id, EventType.PLACED, shown={"id": str(order_id)})
        enqueue(tx, event, CLOUDPRESS_ACCOUNT)
        made = await hook(presshook, receiver)
    sent = await until_delivered(presshook, made["id"], "delivered")
    assert event.id in {each["event_id"] for each in sent}


async def test_webhooks_are_paged_and_no_key_makes_any_number_of_them(
    presshook: Presshook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MOST_WEBHOOKS", 5)
    monkeypatch.setattr(paging, "BATCH", 2)
    body = {"url": "https://shop.example.com/"}
    tokens = []
    for accounts in (["one"], ["two"], ["one", "two"], None):
        key = {"name": "k", "scopes": ["orders:read", "webhooks:write"], "account_ids": accounts}
        token = (await presshook.client.post("/v1/keys", json=key)).json()["key"]
        tokens.append({"Authorization": f"Bearer {token}"})
    made: dict[int, list[str]] = {}
    for number, token_headers in enumerate(tokens[:2]):
        answers = [
            await presshook.client.post("/v1/webhooks", json=body, headers=token_headers) for _ in range(6)
        ]
        assert [answer.status_code for answer in answers] == [201] * 5 + [409]
        assert answers[-1].json()["type"].endswith("too-many-webhooks")
        made[number] = [answer.json()["id"] for answer in answers[:5]]
    assert (await presshook.client.post("/v1/webhooks", json=body, headers=tokens[2])).status_code == 409
    whole = await presshook.client.post("/v1/webhooks", json=body, headers=tokens[3])
    assert whole.status_code == 201, "nobody takes anybody else's"
    around = {"name": "k", "scopes": ["orders:read", "webhooks:write"], "account_ids": ["one", "three"]}
    token = (await presshook.client.post("/v1/keys", json=around)).json()["key"]
    refused = await presshook.client.post(
        "/v1/webhooks", json=body, headers={"Authorization": f"Bearer {token}"}
    )
    assert refused.status_code == 409, "another selection of accounts is no way around"

    for number, token_headers in enumerate(tokens[:2]):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (
                await presshook.client.get(
                    "/v1/webhooks", params={"limit": "2", **cursor}, headers=token_headers
                )
            ).json()
            assert len(page["data"]) <= 2
            seen += [each["id"] for each in page["data"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == made[number][::-1]
    assert (await presshook.client.delete(f"/v1/webhooks/{made[0][0]}", headers=tokens[0])).status_code == 204
    assert (await presshook.client.post("/v1/webhooks", json=body, headers=tokens[0])).status_code == 201
