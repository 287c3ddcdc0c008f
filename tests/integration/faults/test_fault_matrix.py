"""Every fault of every answer that the reconciler uses: no order is lost or doubled (rows in `matrix`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from app import schedule
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.integration.faults.matrix import FOLLOWING, PLACING, SEEKING, PlaceRow, ReadRow
from tests.integration.faults.proxy import FaultyProxy, run_proxy

TIMEOUT_SECONDS = 0.5
GRACE_SECONDS = 0.8
LOOK_UP_SECONDS = 0.1
CALLBACK_WAIT_SECONDS = 0.1
SPOILT_LOOKS = 2


@dataclass
class World:
    """Presshook, which knows CloudPress through a proxy only."""

    presshook: Presshook
    proxy: FaultyProxy
    sandbox: Sandbox

    async def order(self) -> str:
        """Place an order whose callback is lost, so that everything has to be asked for."""
        answer = await self.presshook.order("Shop [callback-lost]", wait=0)
        assert answer.status_code == 202, answer.text
        order_id: str = answer.json()["id"]
        return order_id

    async def check(self, *, made: int, sent: int) -> None:
        """Check how many orders CloudPress has, and how often it was asked for one."""
        assert len(await self.sandbox.orders()) == made
        assert self.proxy.seen["place"] == sent


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the spans that no setting has; how long they are is another test's matter."""
    monkeypatch.setattr(schedule, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(schedule, "LOOK_UP_SECONDS", (LOOK_UP_SECONDS, LOOK_UP_SECONDS))


@asynccontextmanager
async def world(database_url: str, sandbox: Sandbox) -> AsyncIterator[World]:
    async with (
        run_proxy(sandbox.url) as proxy,
        run_presshook(
            database_url,
            proxy.url,
            upstream_timeout_seconds=TIMEOUT_SECONDS,
            lease_seconds=5,
            placement_grace_seconds=GRACE_SECONDS,
            callback_wait_seconds=CALLBACK_WAIT_SECONDS,
        ) as presshook,
    ):
        yield World(presshook, proxy, sandbox)


@pytest.mark.parametrize("row", PLACING, ids=lambda row: row.fault)
async def test_placing(database_url: str, sandbox: Sandbox, row: PlaceRow) -> None:
    async with world(database_url, sandbox) as it:
        it.proxy.spoil("place", row.fault, once=True)
        order = await it.presshook.until(await it.order(), "completed", "failed", "cancelled")
        assert order["status"] == row.ends, row.reason
        await it.check(made=row.made, sent=row.sent)
        assert order["attention"] is None


@pytest.mark.parametrize("row", FOLLOWING, ids=lambda row: f"{row.call} {row.fault}")
async def test_following(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        it.proxy.spoil(row.call, row.fault)
        order_id = await it.order()
        await _wait_and_heal(it, order_id, row)
        order = await it.presshook.until(order_id, "completed", "failed", "cancelled")
        assert order["status"] == "completed", row.reason
        await it.check(made=1, sent=1)
        assert order["attention"] is None


@pytest.mark.parametrize("row", SEEKING, ids=lambda row: f"{row.call} {row.fault}")
async def test_seeking_what_landed(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        it.proxy.spoil("place", "reset after", once=True)
        it.proxy.spoil(row.call, row.fault)
        order_id = await it.order()
        await _wait_and_heal(it, order_id, row)
        order = await it.presshook.until(order_id, "completed", "failed", "cancelled")
        assert order["status"] == "completed", row.reason
        await it.check(made=1, sent=1)


@pytest.mark.parametrize(
    "row", [row for row in SEEKING if row.call == "list"], ids=lambda row: f"{row.call} {row.fault}"
)
async def test_seeking_what_did_not_land(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        it.proxy.spoil("place", "reset before", once=True)
        it.proxy.spoil(row.call, row.fault)
        order_id = await it.order()
        await _wait_and_heal(it, order_id, row)
        order = await it.presshook.until(order_id, "completed", "failed", "cancelled")
        assert order["status"] == "completed", row.reason
        await it.check(made=1, sent=2)


async def _wait_and_heal(it: World, order_id: str, row: ReadRow) -> None:
    """See that a fault which holds an order up does so, past the grace, and changes nothing else."""
    if row.waits is None:
        return

    async def spoilt() -> int:
        return it.proxy.spoilt[row.call]

    await eventually(spoilt, lambda times: times >= SPOILT_LOOKS)
    if row.waits == "unconfirmed":
        order = await eventually(
            lambda: it.presshook.show(order_id), lambda seen: seen["attention"] is not None
        )
    order = await it.presshook.show(order_id)
    assert order["status"] == row.waits, row.reason
    assert it.proxy.seen["place"] == 1, row.reason
    if row.attention:
        assert order["attention"]["code"] == row.attention
    it.proxy.heal()
