"""Webhooks of a running service, as a test's client makes them and asks about them."""

from typing import Any

from tests.harness import Presshook, eventually
from tests.receiver import Receiver


async def hook(presshook: Presshook, receiver: Receiver, **body: Any) -> dict[str, Any]:
    """Make a webhook that leads to a receiver, which verifies what it gets from now on."""
    answer = await presshook.client.post("/v1/webhooks", json={"url": receiver.url, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    receiver.secrets.append(made["secret"])
    return made


async def deliveries(presshook: Presshook, webhook_id: str, **params: str) -> list[dict[str, Any]]:
    """Return what was sent to a webhook, the newest first."""
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
    """Place an order and wait for its end; return its id."""
    order_id: str = (await presshook.order(name)).json()["id"]
    await presshook.until(order_id, "completed", "failed", "cancelled", "awaiting_payment")
    return order_id
