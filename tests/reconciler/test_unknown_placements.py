"""Orders whose placement is unknown: found, adopted, placed again, or left to a person; never doubled."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.harness import Presshook, Sandbox, eventually, run_presshook

# Look-ups run every tenth of it, but not more often than once a second.
GRACE_SECONDS = 1.5


async def attention(presshook: Presshook, order_id: str, code: str) -> dict[str, Any]:
    """Wait until an order asks for attention for a reason."""
    seen = await eventually(
        lambda: presshook.show(order_id), lambda order: (order["attention"] or {}).get("code") == code
    )
    found: dict[str, Any] = seen["attention"]
    return found


@pytest.mark.parametrize("fault", ["place-lost", "place-500-after", "place-not-json", "place-no-id"])
async def test_an_order_that_landed_is_found_by_look_up(
    database_url: str, sandbox: Sandbox, fault: str
) -> None:
    async with run_presshook(
        database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS, callback_wait_seconds=0.2
    ) as presshook:
        answer = await presshook.order(f"Lost [{fault}] [callback-lost]", wait=0)
        order = await presshook.until(answer.json()["id"], "completed")
        [made] = await sandbox.orders()
        assert order["cloudpress_order_id"] == made["id"]
        assert await sandbox.requests("POST /api/orders") == 1


@pytest.mark.parametrize("fault", ["place-500", "place-502", "place-dropped"])
async def test_an_order_that_surely_did_not_land_is_placed_again_after_the_grace(
    database_url: str, sandbox: Sandbox, fault: str
) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        order_id = await presshook.order_among_others(f"Again [{fault}]")
        await presshook.until(order_id, "completed")
        assert len(await sandbox.orders()) == 3
        assert await sandbox.requests("POST /api/orders") == 4
        assert await sandbox.requests("GET /api/orders") >= 2, "two complete look-ups come before"


async def test_an_order_of_which_no_look_up_is_proven_to_see_is_left_to_a_person(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        order_id = (await presshook.order("Alone [place-500]", wait=0)).json()["id"]
        asked = await attention(presshook, order_id, "placement_unconfirmed")
        assert "No order that was sent shortly before this one" in asked["detail"]
        assert await sandbox.requests("POST /api/orders") == 1


async def test_an_unpaid_order_is_a_suspect_until_it_has_a_site(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        answer = await presshook.order("Unpaid [place-lost] [payment-first] [callback-lost]", wait=0)
        order_id = answer.json()["id"]
        asked = await attention(presshook, order_id, "placement_suspected")
        [made] = await sandbox.orders()
        assert made["id"] in asked["detail"]
        await sandbox.post(f"/orders/{made['id']}/pay")
        order = await eventually(lambda: presshook.show(order_id), lambda seen: seen["attention"] is None)
        assert order["cloudpress_order_id"] == made["id"]
        assert await sandbox.requests("POST /api/orders") == 1


async def test_look_alikes_are_told_apart_by_their_callbacks_alone(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        name = "Twins [place-lost] [callback-lost]"
        answers = await asyncio.gather(*(presshook.order(name, wait=0) for _ in range(2)))
        ids = [answer.json()["id"] for answer in answers]
        for order_id in ids:
            await attention(presshook, order_id, "placement_ambiguous")
        assert await sandbox.requests("POST /api/orders") == 2
        made = [order["id"] for order in await sandbox.orders()]
        for order_id in made:
            assert (await sandbox.post(f"/orders/{order_id}/callback")).status_code == 200
        orders = [await presshook.until(order_id, "completed") for order_id in ids]
        assert {order["cloudpress_order_id"] for order in orders} == set(made)
        assert [order["attention"] for order in orders] == [None, None]


async def test_a_callback_forbids_placing_again(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, placement_grace_seconds=GRACE_SECONDS) as presshook:
        answer = await presshook.order("Called [place-500]", wait=0)
        order_id = answer.json()["id"]
        await presshook.until(order_id, "unconfirmed")
        service = presshook.service
        sent = await presshook.client.post(
            f"/v1/callbacks/{order_id}",
            content=b"something happened",
            headers={"Authorization": service.callback_secrets.authorization(UUID(order_id))},
        )
        assert sent.status_code == 204
        await attention(presshook, order_id, "placement_called_back")
        assert await sandbox.requests("POST /api/orders") == 1


async def test_a_callback_of_another_cloudpress_order_is_a_suspected_duplicate(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Double")).json()["id"]
        order = await presshook.until(order_id, "completed")
        other = await _made_beside(sandbox, presshook, order_id, "Double")
        found = await attention(presshook, order_id, "suspected_duplicate")
        assert other in found["detail"]
        assert order["cloudpress_order_id"] in found["detail"]
        assert (await presshook.show(order_id))["status"] == "completed"


async def test_a_callback_of_another_local_order_changes_nothing(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        ids = [(await presshook.order("Same name")).json()["id"] for _ in range(2)]
        one, other = [await presshook.until(order_id, "completed") for order_id in ids]
        authorization = presshook.service.callback_secrets.authorization(UUID(one["id"]))
        body = {"task_id": other["tasks"][0]["id"]}
        before = await sandbox.requests("GET /api/tasks/{task_id}")
        sent = await presshook.client.post(
            f"/v1/callbacks/{one['id']}", json=body, headers={"Authorization": authorization}
        )
        assert sent.status_code == 204

        async def asked() -> int:
            return await sandbox.requests("GET /api/tasks/{task_id}")

        await eventually(asked, lambda count: count > before)
        assert await presshook.show(one["id"]) == one
        assert await presshook.show(other["id"]) == other


async def _made_beside(sandbox: Sandbox, presshook: Presshook, order_id: str, name: str) -> str:
    """Make a CloudPress order as if a late request of ours had landed; its callback comes in."""
    settings = presshook.service.settings
    answer = await sandbox.client.post(
        "/api/orders",
        json={
            "site": {"name": name, "variant": "vanilla"},
            "callback": {
                "url": f"{presshook.url}/v1/callbacks/{order_id}",
                "authorization": presshook.service.callback_secrets.authorization(UUID(order_id)),
            },
        },
        headers={
            "Authorization": f"Token {settings.cloudpress_api_token.get_secret_value()}",
            "X-Auth-Account": settings.cloudpress_account_id,
        },
    )
    assert answer.status_code == 201
    return str(answer.json()["order"]["id"])
