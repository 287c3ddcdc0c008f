"""Every fault of every answer that the reconciler uses: no order is lost or doubled (rows in `matrix`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from app import schedule
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.reconciler.faults.matrix import (
    CANCELLING,
    FOLLOWING,
    HINTED,
    PLACING,
    SEEKING,
    SITE_IN_LOOK_UP,
    CancelRow,
    PlaceRow,
    ReadRow,
)
from tests.reconciler.faults.proxy import FaultyProxy, run_proxy

TIMEOUT_SECONDS = 1.0
GRACE_SECONDS = 1.2
LOOK_UP_SECONDS = 0.1
CALLBACK_WAIT_SECONDS = 0.1
SPOILT_LOOKS = 2


@dataclass
class World:
    """Presshook, which knows CloudPress through a proxy only."""

    presshook: Presshook
    proxy: FaultyProxy
    sandbox: Sandbox

    async def order(self, name: str = "Shop [callback-lost]") -> str:
        """Place an order; by its name its callback is lost, so that everything has to be asked for."""
        answer = await self.presshook.order(name, wait=0)
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


@pytest.mark.parametrize("row", SITE_IN_LOOK_UP, ids=lambda row: row.fault)
async def test_seeking_by_the_site_itself(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        it.proxy.spoil("place", "reset after", once=True)
        it.proxy.spoil("order", "no site name")
        it.proxy.spoil(row.call, row.fault)
        order_id = await it.order()
        await _wait_and_heal(it, order_id, row)
        order = await it.presshook.until(order_id, "completed", "failed", "cancelled")
        assert order["status"] == "completed", row.reason
        await it.check(made=1, sent=1)
        assert order["attention"] is None


@pytest.mark.parametrize("row", HINTED, ids=lambda row: f"{row.call} {row.fault}")
async def test_seeking_by_a_callback(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        it.proxy.spoil("place", "reset after", once=True)
        # No look-up ever ends, so nothing but the callback can tell.
        it.proxy.spoil("list", "500")
        it.proxy.spoil(row.call, row.fault)
        order_id = await it.order("Shop")
        await _wait_and_heal(it, order_id, row)
        order = await it.presshook.until(order_id, "completed", "failed", "cancelled")
        assert order["status"] == "completed", row.reason
        await it.check(made=1, sent=1)
        assert order["attention"] is None


@pytest.mark.parametrize("row", CANCELLING, ids=lambda row: row.fault)
async def test_cancelling(database_url: str, sandbox: Sandbox, row: CancelRow) -> None:
    async with world(database_url, sandbox) as it:
        order_id = await it.order("Shop [callback-lost] [payment-first]")
        await it.presshook.until(order_id, "awaiting_payment")
        it.proxy.spoil("cancel", row.fault)
        wished = await it.presshook.client.delete(f"/v1/orders/{order_id}", headers={"Prefer": "wait=0"})
        assert wished.status_code < 300, wished.text
        if row.asked is None:
            await _ask_in_vain(it, order_id, row)
        order = await eventually(
            lambda: it.presshook.show(order_id),
            lambda seen: (
                seen["status"] == row.ends
                and (seen["cancellation"] or {}).get("state") == row.cancellation
                and it.proxy.seen["cancel"] >= (row.asked or SPOILT_LOOKS)
            ),
        )
        assert order["attention"] is None, row.reason
        if row.asked is not None:
            await _look_again(it)
            assert it.proxy.seen["cancel"] == row.asked, row.reason
            assert (await it.presshook.show(order_id))["status"] == row.ends, row.reason
        [made] = await it.sandbox.orders()
        assert (made["status"] == "cancelled") == (row.ends == "cancelled"), row.reason
        await it.check(made=1, sent=1)


async def _ask_in_vain(it: World, order_id: str, row: CancelRow) -> None:
    """See that CloudPress is asked again and again, and that the order is open meanwhile; then heal."""

    async def spoilt() -> int:
        return it.proxy.spoilt["cancel"]

    await eventually(spoilt, lambda times: times >= SPOILT_LOOKS)
    order = await it.presshook.show(order_id)
    assert (order["status"], order["cancellation"]["state"]) == ("awaiting_payment", "requested"), row.reason
    assert (order["attention"] or {}).get("code") == row.attention, row.reason
    it.proxy.heal("cancel")


async def _look_again(it: World) -> None:
    """Have the order looked at once more, if it is still open."""
    [order] = (await it.presshook.client.get("/v1/orders")).json()["data"]
    if order["status"] in {"completed", "failed", "cancelled"}:
        return
    before = it.proxy.seen["order"]
    answer = await it.presshook.client.post(f"/v1/orders/{order['id']}/refresh")
    assert answer.status_code < 300, answer.text

    async def seen() -> int:
        return it.proxy.seen["order"]

    await eventually(seen, lambda times: times > before)


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
    it.proxy.heal(row.call)
