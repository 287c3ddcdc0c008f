"""No key reads with all connections that a process has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.accounts.store import UnknownAccountError
from app.db import sharing
from app.db.database import Database
from app.db.engine import POOL_SIZE
from app.db.sharing import reader
from tests.harness import Presshook, Sandbox, eventually, run_presshook

MOST = POOL_SIZE - 2


@pytest.fixture
async def presshook(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Presshook]:
    """A service in which nobody waits long for a turn, and that has no work of its own."""
    monkeypatch.setattr(sharing, "POOL_WAIT_SECONDS", 0.3)
    async with run_presshook(database_url, sandbox.url, reconcile=False) as running:
        yield running


@asynccontextmanager
async def reading(db: Database, identity: str, times: int) -> AsyncIterator[None]:
    """Have a key read so many times, all while the block runs."""
    ended = asyncio.Event()
    begun = 0

    async def read() -> None:
        nonlocal begun
        reader.set(identity)
        async with db.read() as session:
            await session.connection()
            begun += 1
            await ended.wait()

    async def number() -> int:
        return begun

    tasks = [asyncio.create_task(read()) for _ in range(times)]
    try:
        await eventually(number, lambda each: each == times)
        yield
    finally:
        ended.set()
        await asyncio.gather(*tasks)


async def test_a_key_that_reads_all_it_may_holds_up_no_other(presshook: Presshook) -> None:
    body = {"name": "other", "scopes": ["orders:read"]}
    other = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
    headers = {"Authorization": f"Bearer {other}"}
    db = presshook.service.db
    async with reading(db, "bootstrap", MOST):
        refused = await presshook.client.get("/v1/orders")
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:presshook:problem:busy")
        assert int(refused.headers["Retry-After"]) > 0
        assert not db.outages.is_away
        for path in ("/v1/orders", "/readyz"):
            assert (await presshook.client.get(path, headers=headers)).status_code == 200
    assert (await presshook.client.get("/v1/orders")).status_code == 200


async def test_who_waits_gets_the_turn_that_becomes_free(presshook: Presshook) -> None:
    async with reading(presshook.service.db, "bootstrap", MOST):
        waiting = asyncio.create_task(presshook.client.get("/v1/orders"))
        await asyncio.sleep(0)
    assert (await waiting).status_code == 200
    assert not presshook.service.db._sharing._shares


async def test_what_is_fetched_for_all_waits_for_no_keys_turn(presshook: Presshook) -> None:
    async with reading(presshook.service.db, "bootstrap", MOST):
        reader.set("bootstrap")
        with pytest.raises(UnknownAccountError):
            await presshook.service.catalogs.catalog("another")


async def test_whether_somebody_works_is_looked_for_in_no_keys_turn(presshook: Presshook) -> None:
    """Else the database would be said to be away, for everybody."""
    db, heartbeats = presshook.service.db, presshook.service.heartbeats
    async with reading(db, "bootstrap", MOST):
        reader.set("bootstrap")
        heartbeats._known_at = -1000.0
        await heartbeats.surroundings()
        assert not db.outages.is_away


async def test_metrics_are_counted_in_no_keys_turn(presshook: Presshook) -> None:
    async with reading(presshook.service.db, "bootstrap", MOST):
        answer = await presshook.client.get("/metrics")
        assert answer.status_code == 200
        assert "presshook_snapshot_up 1.0" in answer.text
        assert not presshook.service.db.outages.is_away


async def test_a_key_is_not_to_blame_for_a_database_that_answers_nobody(presshook: Presshook) -> None:
    db = presshook.service.db
    async with reading(db, "bootstrap", MOST):
        answer = await presshook.client.get("/v1/orders")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:presshook:problem:busy")
        db.outages.note(PoolTimeout("nobody answers"))
        answer = await presshook.client.get("/v1/orders")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:presshook:problem:database-away")
