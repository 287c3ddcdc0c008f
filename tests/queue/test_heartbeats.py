"""Who lives: others see a worker while it works, and no longer once it has ended, is lost or is stuck."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.models import Replica
from app.main import Service
from app.queue import heartbeats
from tests.api.conftest import client_of
from tests.harness import Sandbox, eventually, run_presshook
from tests.settings import API_KEY, make_settings


async def replicas(service: Service) -> list[tuple[str, bool]]:
    async with service.db.read() as session:
        rows = await session.execute(select(Replica.role, Replica.works).order_by(Replica.role))
        return [(role, works) for role, works in rows]


async def seen(service: Service) -> bool:
    """Ask whether anybody works, of somebody who knows nothing yet."""
    other = heartbeats.Heartbeats(service.db, role="api", version="1")
    return (await other.surroundings()).anybody_works


async def test_what_an_order_waits_for_is_told_over_its_life(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        placed = (await presshook.order("Unpaid [payment-first]")).json()
        assert placed["waiting_for"]["code"] in {"payment", "pass"}
        order = await eventually(
            lambda: presshook.show(placed["id"]), lambda order: order["waiting_for"]["code"] == "payment"
        )
        assert order["waiting_for"]["until"] > order["updated_at"]
        listed = (await presshook.client.get("/v1/orders")).json()["data"]
        assert [each["waiting_for"]["code"] for each in listed] == ["payment"]
        await sandbox.client.post(f"{placed['payment_url']}/pay")
        done = await presshook.until(placed["id"], "completed")
        assert done["waiting_for"] is None
        told = (await presshook.client.get(f"/v1/orders/{placed['id']}/events")).json()["data"]
        assert {event["order"]["waiting_for"] for event in told if event.get("order")} == {None}


async def test_a_process_that_only_answers_sees_who_works(database_url: str) -> None:
    working, answering = (
        Service(make_settings(database_url), role="serve"),
        Service(make_settings(database_url), role="api"),
    )
    async with answering.run(reconcile=False, on_death=lambda: None):
        assert not (await answering.heartbeats.surroundings()).anybody_works
        async with working.run(reconcile=True, on_death=lambda: None):
            both = [("api", False), ("serve", True)]
            await eventually(lambda: replicas(answering), lambda found: found == both)
            assert await seen(answering)
        # Who ends in order takes the row along.
        assert await replicas(answering) == [("api", False)]


async def test_a_worker_that_was_killed_or_is_stuck_is_not_believed(database_url: str) -> None:
    service = Service(make_settings(database_url))
    beats = heartbeats.Heartbeats(service.db, role="worker", version="1")
    beats.tell(lambda: True)
    await beats.beat()
    assert await seen(service)
    async with service.db.write() as tx:
        replica = (await tx.session.scalars(select(Replica))).one()
        replica.seen_at -= timedelta(minutes=6)
    assert not await seen(service)
    async with client_of(service, Authorization=f"Bearer {API_KEY}", Prefer="wait=0") as client:
        placed = await client.post("/v1/orders", json={"site": {"name": "One", "variant": "vanilla"}})
        assert placed.json()["waiting_for"] == {
            "code": "nobody_works",
            "detail": "Nobody works: no worker has been seen for 6 minutes. Start `presshook serve` or "
            "`presshook worker`.",
            "until": None,
        }
    beats.tell(lambda: False)
    await beats.beat()
    assert not await seen(service)
    await service.db.dispose()


async def test_who_ends_while_the_database_is_away_does_not_wait_for_it(database_url: str) -> None:
    ending, other = Service(make_settings(database_url)), Service(make_settings(database_url), role="api")
    async with ending.run(reconcile=False, on_death=lambda: None):
        await eventually(lambda: replicas(other), lambda found: found == [("serve", False)])
        ending.db.outages.note(PoolTimeout("nobody answers"))
    assert await replicas(other) == [("serve", False)], "it is forgotten as one that was lost"
    await other.db.dispose()
