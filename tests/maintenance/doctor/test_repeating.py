"""The checks that the service repeats: by one replica, into a metric, told when one turns and only then."""

import asyncio
from datetime import timedelta

import httpx
from sqlalchemy import select, update

from app.db.models import CheckResult, CheckRound, Event
from app.maintenance.doctor.checks import Check, failed, ok
from app.maintenance.doctor.repeating import Repeating, begin_round, write
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.maintenance.doctor.front import Front, standing
from tests.receiver import Receiver
from tests.telemetry.test_metrics import scrape, value_of

LOCAL = "127.0.0.0/8"
WELL = {Check.DISK: ok(Check.DISK, "9 GB left")}
FULL = {Check.DISK: failed(Check.DISK, "0 MB left", "make room")}


async def told(presshook: Presshook) -> list[tuple[str, str]]:
    async with presshook.service.db.read() as session:
        kinds = Event.type.in_(["service.check_failed", "service.check_recovered"])
        events = await session.scalars(select(Event).where(kinds).order_by(Event.id))
        return [(event.type, event.data["check"]) for event in events]


async def came(receiver: Receiver, count: int) -> None:
    async def messages() -> int:
        return len(receiver.messages)

    await eventually(messages, lambda seen: seen == count)


async def test_one_replica_takes_a_round_when_it_is_due(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        db = presshook.service.db
        assert sorted(await asyncio.gather(*(begin_round(db) for _ in range(4)))) == [False] * 3 + [True]
        assert not await begin_round(db)
        for hours in (-2, 2):  # long ago; by a clock that was ahead
            async with db.write() as tx:
                await tx.session.execute(update(CheckRound).values(begun_at=tx.now + timedelta(hours=hours)))
            assert await begin_round(db)
            assert not await begin_round(db)


async def test_a_round_finds_a_healthy_deployment_well(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        await eventually(presshook.service.heartbeats.surroundings, lambda around: around.anybody_works)
        await presshook.service.heartbeats.beat()
        service = presshook.service
        await Repeating(service.settings, service.db, asyncio.Event()).round()
        families = await scrape(presshook.client)
        async with service.db.read() as session:
            found = {each.id: each.outcome for each in await session.scalars(select(CheckResult))}
        assert await told(presshook) == []
    assert set(found.values()) <= {"ok", "skipped"}, found
    assert value_of(families, "presshook_doctor_ok", check="callbacks.authorization") == 1
    assert {sample.labels["check"] for sample in families["presshook_doctor_ok"].samples} == {
        check for check, outcome in found.items() if outcome == "ok"
    }


async def test_what_turns_is_told_once(database_url: str, sandbox: Sandbox, receiver: Receiver) -> None:
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL) as presshook:
        db = presshook.service.db
        everything = await presshook.client.post("/v1/webhooks", json={"url": receiver.url})
        named = {"url": receiver.url, "event_types": ["service.check_failed", "service.check_recovered"]}
        made = (await presshook.client.post("/v1/webhooks", json=named)).json()
        receiver.secrets += [made["secret"], everything.json()["secret"]]
        for found in (WELL, FULL, FULL, WELL, WELL):
            await write(db, found)
        failed_then_well = [("service.check_failed", Check.DISK), ("service.check_recovered", Check.DISK)]
        assert await told(presshook) == failed_then_well
        await came(receiver, 2)
        # They may overtake each other on the way, and are numbered for that.
        told_of = sorted((message.json for message in receiver.messages), key=lambda it: it["sequence"])
        assert [message["type"] for message in told_of] == [kind for kind, _ in failed_then_well]
        assert told_of[0]["data"] == {
            "check": "database.disk",
            "detail": "0 MB left",
            "advice": "make room",
        }
        # One that hears of all that happens to orders hears nothing of the service.
        listed = await presshook.client.get(f"/v1/webhooks/{everything.json()['id']}/deliveries")
        assert listed.json()["data"] == []


async def test_that_a_webhook_was_disabled_is_told_to_another(
    database_url: str, sandbox: Sandbox, receiver: Receiver
) -> None:
    gone = Front(says=(410, {}, b""))
    async with (
        standing(gone, "") as url,
        run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL) as presshook,
    ):
        broken = {"url": f"{url}/hook", "event_types": ["order.placed"]}
        webhook_id = (await presshook.client.post("/v1/webhooks", json=broken)).json()["id"]
        named = {"url": receiver.url, "event_types": ["webhook.disabled"]}
        made = (await presshook.client.post("/v1/webhooks", json=named)).json()
        receiver.secrets.append(made["secret"])
        await presshook.order("One")
        await came(receiver, 1)
    told = receiver.messages[0].json
    assert (told["type"], told["data"]["webhook"]) == ("webhook.disabled", webhook_id)


async def test_a_key_of_some_accounts_may_not_hear_of_the_service(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL) as presshook:
        body = {"name": "one", "scopes": ["webhooks:write", "orders:read"], "account_ids": ["acct-tests"]}
        key = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
        hook = {"url": "http://127.0.0.1:9/hook", "event_types": ["service.check_failed"]}
        async with httpx.AsyncClient(base_url=presshook.url, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {key}"}
            refused = await client.post("/v1/webhooks", json=hook, headers=headers)
            hook["event_types"] = ["order.completed"]
            made = (await client.post("/v1/webhooks", json=hook, headers=headers)).json()
            await write(presshook.service.db, FULL)
            deliveries = await client.get(f"/v1/webhooks/{made['id']}/deliveries", headers=headers)
    assert refused.status_code == 422
    assert deliveries.json()["data"] == []
