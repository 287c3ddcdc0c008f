"""One of everything that pages show, for those who look at all of them."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx

from app.db.models import LookUp, Order, Orphan
from app.maintenance.doctor.repeating import Repeating
from app.maintenance.doctor.way_in import Prober
from app.states import AttentionCode
from tests.harness import NEVER_SECONDS, WITHOUT_TLS, Presshook

SETTINGS: dict[str, Any] = {
    "placement_grace_seconds": NEVER_SECONDS,
    "webhook_allowed_networks": "127.0.0.0/8",
    "brand_name": "Rosa & Daughters",
}
STRANGER = "98c61ea7-e8ab-41f8-af26-08e34566ce57"
SHOP = ("Harbour Books", "Quiet Garden", "Lantern & Loom", "North Quay Cycles", "Söhne des Meeres")


async def hang(presshook: Presshook) -> dict[str, str]:
    """Make one of everything, and return the paths of the pages by their names."""
    for name in SHOP:
        await presshook.order(name, location="Amsterdam")
    await presshook.order("Broken Bikes [task-failed]")
    done = (await presshook.order("Rosa's Bakery", location="Amsterdam", plan="Starter")).json()["id"]
    waits = await _paid_for(presshook, "Harbour Books, second floor [payment-first]")
    built = await _paid_for(presshook, "Ready")
    for order_id in (done, built["id"]):
        await presshook.until(order_id, "completed")
    lost = (await presshook.order("Answerless Inn [place-500]", wait=0, location="Amsterdam")).json()["id"]
    await presshook.until(lost, "unconfirmed")
    await _ask_for_a_person(presshook, UUID(lost))
    await _lose(presshook)
    hook, delivery = await _tell(presshook)
    await presshook.client.post("/v1/keys", json={"name": "ada", "scopes": ["orders:read", "orders:write"]})
    await presshook.client.put("/v1/accounts/nowhere", json={"name": "Nobody's"})
    with patch.object(Prober, "check", _none):
        await Repeating(presshook.service.settings, presshook.service.db, asyncio.Event()).round()
    return {
        "sign-in": "/ui/sign-in",
        "overview": "/ui",
        "orders": "/ui/orders",
        "orders-none": "/ui/orders?name=nothing",
        "order": f"/ui/orders/{done}",
        "order-unconfirmed": f"/ui/orders/{lost}",
        "resolve": f"/ui/orders/{lost}/resolve",
        "orphans": "/ui/orphans",
        "webhooks": "/ui/webhooks",
        "webhook": f"/ui/webhooks/{hook}",
        "delivery": f"/ui/webhooks/{hook}/deliveries/{delivery}",
        "accounts": "/ui/accounts",
        "keys": "/ui/keys",
        "live": "/ui/live",
        "audit": "/ui/audit",
        "doctor": "/ui/doctor",
        "problem": "/ui/orders?cursor=x",
        "progress-paying": waits["progress_url"].removeprefix(presshook.url),
        "progress-ready": built["progress_url"].removeprefix(presshook.url),
        "progress-none": "/progress/nowhere",
    }


async def _none(_self: Prober) -> Any:
    """Probe nothing: nobody looks at this address from outside."""
    none: tuple[Any, ...] = ()
    for result in none:
        yield result


async def _paid_for(presshook: Presshook, name: str) -> dict[str, Any]:
    body = {"site": {"name": name, "variant": "vanilla"}, "progress_page": True}
    order: dict[str, Any] = (await presshook.client.post("/v1/orders", json=body)).json()
    return order


async def _ask_for_a_person(presshook: Presshook, order_id: UUID) -> None:
    """Write down what days of look-ups would."""
    it_is = await _made_elsewhere(presshook, "Answerless Inn", location="Amsterdam")
    another = await _made_elsewhere(presshook, "Sea View [payment-first]", location="Frankfurt")
    with suppress(KeyError):
        async with presshook.service.db.write() as tx:
            order = await tx.session.get_one(Order, order_id, with_for_update=True)
            order.site_name = "Answerless Inn"
            order.attention_code = AttentionCode.PLACEMENT_SUSPECTED
            order.attention_since = tx.now - timedelta(hours=2)
            order.attention_detail = (
                f"CloudPress has {STRANGER}, which may be this order, whatever name it tells. "
                "Look at it in CloudPress. Then resolve the order: adopt that order, place "
                "again, or fail."
            )
            order.due_at = tx.now + timedelta(hours=1)
            look_up = await tx.session.get(LookUp, order_id)
            if look_up is None:
                look_up = LookUp(order_id=order_id, candidates=[], suspects=[], unseen=[], completed=1)
                tx.session.add(look_up)
            look_up.candidates = [it_is]
            look_up.suspects = [another, STRANGER]


async def _made_elsewhere(presshook: Presshook, name: str, **site: str) -> str:
    """Make an order at CloudPress of which the service knows nothing."""
    settings = presshook.service.settings
    headers = {
        "Authorization": f"Token {settings.cloudpress_api_token.get_secret_value()}",
        "X-Auth-Account": settings.cloudpress_account_id,
    }
    body = {
        "site": {"name": name, "variant": "vanilla", **site},
        "callback": {"url": "http://127.0.0.1:9/", "authorization": "x"},
    }
    url = f"{settings.cloudpress_base_url}/api/orders"
    async with httpx.AsyncClient(verify=WITHOUT_TLS) as client:
        made: str = (await client.post(url, json=body, headers=headers)).json()["order"]["id"]
    return made


async def _lose(presshook: Presshook) -> None:
    """Write down what a search would after the database was restored."""
    async with presshook.service.db.write() as tx:
        account_id = presshook.service.settings.cloudpress_account_id
        for name, order_id in (("Old Mill Yoga", STRANGER[::-1]), (None, STRANGER[:8])):
            tx.session.add(
                Orphan(
                    account_id=account_id, cloudpress_order_id=order_id, cloudpress_status="completed",
                    site_name=name, variant="vanilla" if name else None, found_at=tx.now,
                    placed_at=tx.now - timedelta(days=1) if name else None,
                )
            )  # fmt: skip


async def _tell(presshook: Presshook) -> tuple[str, str]:
    """Make a webhook whose application is not there, and send it a test."""
    new = {"url": "http://127.0.0.1:9/hooks/presshook", "description": "The shop's back office"}
    hook: str = (await presshook.client.post("/v1/webhooks", json=new)).json()["id"]
    delivery: str = (await presshook.client.post(f"/v1/webhooks/{hook}/test")).json()["id"]
    return hook, delivery
