"""What happens to an order while the answers of one call are spoilt, and what has to come of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.harness import Presshook, Sandbox, eventually
from tests.reconciler.faults.matrix import CancelRow, PlaceRow, ReadRow
from tests.reconciler.faults.spoiling import Spoiler

SPOILT_LOOKS = 2
# How many orders prove what a look-up sees.
OTHERS = 2

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Presshook, which knows CloudPress only through what spoils its answers."""

    presshook: Presshook
    cloudpress: Spoiler
    sandbox: Sandbox
    patience_seconds: float
    look_seconds: float

    async def eventually(self, look: Callable[[], Awaitable[T]], reached: Callable[[T], bool]) -> T:
        """Look until what is seen is what is waited for, and return it."""
        return await eventually(
            look, reached, patience_seconds=self.patience_seconds, look_seconds=self.look_seconds
        )

    async def order(self, name: str = "Shop [callback-lost]") -> str:
        """Place an order; by its name its callback is lost, so that everything has to be asked for."""
        answer = await self.presshook.order(name, wait=0)
        assert answer.status_code == 202, answer.text
        order_id: str = answer.json()["id"]
        return order_id

    async def until(self, order_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until an order has one of the statuses, by default a final one, and return it."""
        reached = statuses or ("completed", "failed", "cancelled")
        return await self.eventually(
            lambda: self.presshook.show(order_id), lambda order: order["status"] in reached
        )

    async def until_spoilt(self, call: str) -> None:
        """Wait until the answers to a call were spoilt again and again."""

        async def spoilt() -> int:
            return self.cloudpress.spoilt[call]

        await self.eventually(spoilt, lambda times: times >= SPOILT_LOOKS)

    async def check(self, *, made: int, sent: int) -> None:
        """Check how many orders CloudPress has, and how often it was asked for one."""
        assert len(await self.sandbox.orders()) == made
        assert self.cloudpress.seen["place"] == sent


async def placing(it: World, row: PlaceRow) -> None:
    """Spoil the first answer to placing an order that others are sent before and after."""
    order = await it.until(await _order_among_others(it, place=row.fault))
    assert order["status"] == row.ends, row.reason
    await it.check(made=row.made + OTHERS, sent=row.sent + OTHERS)
    assert order["attention"] is None


async def _order_among_others(it: World, **faults: str) -> str:
    """Place an order whose answer is spoilt between two that go well, so that a look-up can be proven."""
    await it.until(await it.order("Before [callback-lost]"), "provisioning", "completed")
    for call, fault in faults.items():
        it.cloudpress.spoil(call, fault, once=call == "place")
    order_id = await it.order()

    async def sent() -> int:
        return it.cloudpress.seen["place"]

    await it.eventually(sent, lambda times: times >= OTHERS)
    await it.until(await it.order("After [callback-lost]"), "provisioning", "completed")
    return order_id


async def following(it: World, row: ReadRow) -> None:
    """Spoil what is read of an order that was placed well."""
    it.cloudpress.spoil(row.call, row.fault)
    order = await _wait_and_heal(it, await it.order(), row)
    await it.check(made=1, sent=1)
    assert order["attention"] is None


async def seeking_what_landed(it: World, row: ReadRow) -> None:
    """Spoil the look-up of an order that landed unheard."""
    it.cloudpress.spoil("place", "reset after", once=True)
    it.cloudpress.spoil(row.call, row.fault)
    await _wait_and_heal(it, await it.order(), row)
    await it.check(made=1, sent=1)


async def seeking_what_did_not_land(it: World, row: ReadRow) -> None:
    """Spoil the look-up of an order that never landed, and that others were sent before and after."""
    faults = {"place": "reset before", row.call: row.fault}
    order_id = await _order_among_others(it, **faults)
    await _wait_and_heal(it, order_id, row, sent=1 + OTHERS)
    await it.check(made=1 + OTHERS, sent=2 + OTHERS)


async def seeking_by_the_site(it: World, row: ReadRow) -> None:
    """Spoil a look-up that has to read the site."""
    it.cloudpress.spoil("place", "reset after", once=True)
    it.cloudpress.spoil("order", "no site name")
    it.cloudpress.spoil(row.call, row.fault)
    order = await _wait_and_heal(it, await it.order(), row)
    await it.check(made=1, sent=1)
    assert order["attention"] is None


async def seeking_by_a_callback(it: World, row: ReadRow) -> None:
    """Spoil what a callback leads to."""
    it.cloudpress.spoil("place", "reset after", once=True)
    # No look-up ever ends, so nothing but the callback can tell.
    it.cloudpress.spoil("list", "500")
    it.cloudpress.spoil(row.call, row.fault)
    order = await _wait_and_heal(it, await it.order("Shop"), row)
    await it.check(made=1, sent=1)
    assert order["attention"] is None


async def cancelling(it: World, row: CancelRow) -> None:
    """Spoil the cancelling of an order that is not paid."""
    order_id = await it.order("Shop [callback-lost] [payment-first]")
    await it.until(order_id, "awaiting_payment")
    it.cloudpress.spoil("cancel", row.fault)
    wished = await it.presshook.client.delete(f"/v1/orders/{order_id}", headers={"Prefer": "wait=0"})
    assert wished.status_code < 300, wished.text
    if row.asked is None:
        await _ask_in_vain(it, order_id, row)
    order = await it.eventually(
        lambda: it.presshook.show(order_id),
        lambda seen: (
            seen["status"] == row.ends
            and (seen["cancellation"] or {}).get("state") == row.cancellation
            and it.cloudpress.seen["cancel"] >= (row.asked or SPOILT_LOOKS)
        ),
    )
    assert order["attention"] is None, row.reason
    if row.asked is not None:
        await _look_again(it)
        assert it.cloudpress.seen["cancel"] == row.asked, row.reason
        assert (await it.presshook.show(order_id))["status"] == row.ends, row.reason
    [made] = await it.sandbox.orders()
    assert (made["status"] == "cancelled") == (row.ends == "cancelled"), row.reason
    await it.check(made=1, sent=1)


async def _wait_and_heal(it: World, order_id: str, row: ReadRow, *, sent: int = 1) -> dict[str, Any]:
    """See that a fault which holds an order up does so, past the grace, and nothing else; return its end."""
    if row.waits is not None:
        await it.until_spoilt(row.call)
        if row.waits == "unconfirmed":
            await it.eventually(
                lambda: it.presshook.show(order_id), lambda seen: seen["attention"] is not None
            )
        order = await it.presshook.show(order_id)
        assert order["status"] == row.waits, row.reason
        assert it.cloudpress.seen["place"] == sent, row.reason
        if row.attention:
            assert order["attention"]["code"] == row.attention
        it.cloudpress.heal(row.call)
    order = await it.until(order_id)
    assert order["status"] == "completed", row.reason
    return order


async def _ask_in_vain(it: World, order_id: str, row: CancelRow) -> None:
    """See that CloudPress is asked again and again, and that the order is open meanwhile; then heal."""
    await it.until_spoilt("cancel")
    order = await it.presshook.show(order_id)
    assert (order["status"], order["cancellation"]["state"]) == ("awaiting_payment", "requested"), row.reason
    assert (order["attention"] or {}).get("code") == row.attention, row.reason
    it.cloudpress.heal("cancel")


async def _look_again(it: World) -> None:
    """Have the order looked at once more, if it is still open."""
    [order] = (await it.presshook.client.get("/v1/orders")).json()["data"]
    if order["status"] in {"completed", "failed", "cancelled"}:
        return
    before = it.cloudpress.seen["order"]
    answer = await it.presshook.client.post(f"/v1/orders/{order['id']}/refresh")
    assert answer.status_code < 300, answer.text

    async def seen() -> int:
        return it.cloudpress.seen["order"]

    await it.eventually(seen, lambda times: times > before)
