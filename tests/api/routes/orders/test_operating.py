"""What operators do: resolve, read the timeline, start a restored copy, change keys."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.db.database import Database
from app.db.models import LookUp, Order
from app.db.url import async_database_url
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders, silence_webhooks, skip_event_numbers
from app.maintenance.rekey import rekey
from app.orders.callbacks import record_callback
from app.orders.reading import read_credentials
from app.secrets import Encryption, UndecryptableError
from app.states import OrderStatus
from tests.harness import NEVER_SECONDS, Presshook, Sandbox, run_presshook
from tests.settings import CLOUDPRESS_TOKEN, SECRET_KEY
from tests.sse import read_all

NEW_KEY = "a new secret key that is long enough to be one"
# So long that within a test an unconfirmed order stays so.
PATIENT: dict[str, Any] = {"placement_grace_seconds": NEVER_SECONDS}


async def unconfirmed(presshook: Presshook, name: str) -> str:
    """Place an order whose placement is unknown."""
    order_id = str((await presshook.order(name, wait=0)).json()["id"])
    await presshook.until(order_id, "unconfirmed")
    return order_id


async def resolve(presshook: Presshook, order_id: str, **body: Any) -> httpx.Response:
    return await presshook.client.post(f"/v1/orders/{order_id}/resolve", json=body)


async def timeline(presshook: Presshook, order_id: str) -> list[dict[str, Any]]:
    answer = await presshook.client.get(f"/v1/orders/{order_id}/events", params={"limit": 100})
    assert answer.status_code == 200
    events: list[dict[str, Any]] = answer.json()["data"]
    return events


async def test_an_operator_adopts_a_cloudpress_order(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, **PATIENT) as presshook:
        order_id = await unconfirmed(presshook, "Found [place-lost] [payment-first]")
        [made] = await sandbox.orders()
        answer = await resolve(presshook, order_id, action="adopt", cloudpress_order_id=made["id"])
        assert (answer.status_code, answer.json()["status"]) == (200, "awaiting_payment")
        assert answer.json()["cloudpress_order_id"] == made["id"]
        [adopted] = [
            event for event in await timeline(presshook, order_id) if event["type"] == "order.identified"
        ]
        assert adopted["data"]["by"] == "operator"


async def test_an_operator_places_again(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, **PATIENT) as presshook:
        order_id = await unconfirmed(presshook, "Again [place-500]")
        assert (await resolve(presshook, order_id, action="place_again")).status_code == 200
        await presshook.until(order_id, "completed")
        assert len(await sandbox.orders()) == 1


async def test_an_operator_gives_up(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, **PATIENT) as presshook:
        order_id = await unconfirmed(presshook, "Gone [place-500]")
        order = (await resolve(presshook, order_id, action="fail")).json()
        assert (order["status"], order["error"]["code"]) == ("failed", "failed_by_operator")


async def test_what_makes_no_sense_is_a_conflict_with_its_reason(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, **PATIENT) as presshook:
        placed = (await presshook.order("Placed [payment-first]")).json()
        answer = await resolve(presshook, placed["id"], action="fail")
        assert answer.status_code == 409
        assert answer.json()["detail"].endswith("this one is awaiting_payment.")
        order_id = await unconfirmed(presshook, "Unknown [place-500]")
        held = placed["cloudpress_order_id"]
        answer = await resolve(presshook, order_id, action="adopt", cloudpress_order_id=held)
        assert (answer.status_code, placed["id"] in answer.json()["detail"]) == (409, True)
        for nowhere in ("no-such-order", "..", "a/b"):
            answer = await resolve(presshook, order_id, action="adopt", cloudpress_order_id=nowhere)
            assert answer.status_code == 409


async def test_what_is_no_double_can_be_dismissed(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Single")).json()["id"]
        order = await presshook.until(order_id, "completed")
        answer = await resolve(presshook, order_id, action="dismiss_duplicates")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:presshook:problem:not-resolvable")
        async with presshook.service.db.write() as tx:
            stored = await tx.session.get_one(Order, UUID(order_id))
            stored.suspected_duplicates = ["another"]
            stored.attention_code, stored.attention_since = "suspected_duplicate", tx.now
            stored.attention_detail = "CloudPress may have this order twice: another looks like it."
        shown = (await resolve(presshook, order_id, action="dismiss_duplicates")).json()
        assert (shown["attention"], shown["status"]) == (None, order["status"])
        [event] = [
            it for it in await timeline(presshook, order_id) if it["type"] == "order.duplicates_dismissed"
        ]
        assert event["data"] == {"by": "API_KEY", "cloudpress_order_ids": ["another"]}


@pytest.mark.parametrize("action", ["dismiss_duplicates", "place_again", "fail"])
async def test_who_was_not_shown_all_is_told_what_is_new_and_nothing_is_changed(
    database_url: str, sandbox: Sandbox, action: str
) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = (await presshook.order("Doubtful", wait=0)).json()["id"]
        async with presshook.service.db.write() as tx:
            stored = await tx.session.get_one(Order, UUID(order_id))
            stored.status = OrderStatus.UNCONFIRMED
            tx.session.add(
                LookUp(order_id=stored.id, candidates=["b"], suspects=["a"], unseen=[], completed=1)
            )
        await record_callback(presshook.service.db, UUID(order_id), b"{}")
        listed = (await presshook.client.get(f"/v1/orders/{order_id}/suspects")).json()
        assert ([it["cloudpress_order_id"] for it in listed["data"]], listed["callbacks"]) == (["b", "a"], 1)
        before = await timeline(presshook, order_id)
        for shown, new in (
            ({"suspects": ["a"], "callbacks": 1}, (["b"], 0)),
            ({"suspects": ["a", "b"], "callbacks": 0}, ([], 1)),
            ({"suspects": []}, (["b", "a"], 0)),
            ({"callbacks": 0}, ([], 1)),
        ):
            refused = await resolve(presshook, order_id, action=action, **shown)
            told = refused.json()
            assert (refused.status_code, told["type"]) == (409, "urn:presshook:problem:unseen-news")
            assert (told["suspects"], told["callbacks"]) == new
            assert all(each in told["detail"] for each in new[0])
        assert await timeline(presshook, order_id) == before
        done = await resolve(presshook, order_id, action=action, suspects=["a", "b"], callbacks=1)
        assert done.status_code in {200, 202}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "adopt", "cloudpress_order_id": "x", "suspects": []},
        {"action": "fail", "suspects": "x"},
        {"action": "fail", "suspects": [1]},
        {"action": "fail", "callbacks": -1},
        {"action": "fail", "callbacks": "1"},
        {"action": "adopt"},
        {"action": "fail", "cloudpress_order_id": "x"},
        {"action": "forget"},
        {},
    ],
)
async def test_a_bad_resolution_is_refused(database_url: str, sandbox: Sandbox, body: dict[str, Any]) -> None:
    async with run_presshook(database_url, sandbox.url, **PATIENT) as presshook:
        placed = (await presshook.order("Placed [payment-first]")).json()
        assert (await resolve(presshook, placed["id"], **body)).status_code == 422


async def test_the_timeline_tells_what_happened_and_no_secret(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Told")).json()["id"]
        await presshook.until(order_id, "completed")
        password = (await presshook.client.get(f"/v1/orders/{order_id}/credentials")).json()["ssh"][
            "password"
        ]
        events = await timeline(presshook, order_id)
        assert [event["type"] for event in events] == [
            "order.accepted", "order.placing", "order.status_changed", "order.placement_ended",
            "order.identified", "order.task_changed", "order.status_changed", "order.placed",
            "order.callback_received",
            "order.task_changed", "order.site_changed", "order.status_changed",
            "order.completed", "order.credentials_read",
        ]  # fmt: skip
        told = str(events)
        assert password not in told
        assert CLOUDPRESS_TOKEN not in told
        assert presshook.service.settings.api_key is not None
        assert presshook.service.settings.api_key.get_secret_value() not in told


async def test_the_timeline_has_pages(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Paged")).json()["id"]
        await presshook.until(order_id, "completed")
        whole = await timeline(presshook, order_id)
        pages: list[dict[str, Any]] = []
        cursor: str | None = "0"
        while cursor is not None:
            params: dict[str, Any] = {"limit": 2, "cursor": cursor}
            answer = await presshook.client.get(f"/v1/orders/{order_id}/events", params=params)
            pages += answer.json()["data"]
            cursor = answer.json()["next_cursor"]
        assert pages == whole
        missing = await presshook.client.get("/v1/orders/01890000-0000-7000-8000-000000000000/events")
        assert missing.status_code == 404


async def test_a_restored_copy_buys_nothing_that_is_bought(database_url: str, sandbox: Sandbox) -> None:
    # The order is pending in the backup, and was placed after the backup had been made.
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = (await presshook.order("Bought", wait=0)).json()["id"]
        db = presshook.service.db
        await sandbox.client.post(
            "/api/orders",
            json={
                "site": {"name": "Bought", "variant": "vanilla"},
                "callback": {"url": "http://127.0.0.1:9/", "authorization": "Bearer x"},
            },
            headers={"Authorization": f"Token {CLOUDPRESS_TOKEN}", "X-Auth-Account": "acct-tests"},
        )
        assert await doubt_unplaced_orders(db) == 1
        assert await doubt_unplaced_orders(db) == 0, "it is none of the pending ones any more"
    async with run_presshook(
        database_url, sandbox.url, placement_grace_seconds=1, callback_wait_seconds=0.2
    ) as presshook:
        await presshook.until(order_id, "completed")
        assert len(await sandbox.orders("Bought")) == 1
        assert await sandbox.requests("POST /api/orders") == 1


async def test_after_a_restore_no_number_of_an_event_comes_again(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        before = (await presshook.order("Before")).json()["id"]
        await presshook.until(before, "completed")
        known = (await timeline(presshook, before))[-1]["id"]
        hook = {"url": "https://shop.example.com/"}
        made = (await presshook.client.post("/v1/webhooks", json=hook)).json()
        db = presshook.service.db
        await skip_event_numbers(db)
        assert (await silence_webhooks(db), await silence_webhooks(db)) == (1, 0)
        shown = (await presshook.client.get(f"/v1/webhooks/{made['id']}")).json()
        assert (shown["enabled"], shown["disabled_reason"]) == (False, "The database was copied.")
        after = (await presshook.order("After")).json()["id"]
        await presshook.until(after, "completed")
        # What an application may know of what happened after the backup was made.
        lost = known + 900_000
        assert min(event["id"] for event in await timeline(presshook, after)) > lost
        told = await read_all(presshook.client, f"/v1/orders/{after}/events", after=lost)
        assert told[-1].type == "order.completed"


async def test_after_rekeying_the_old_key_can_go(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order = await presshook.until((await presshook.order("Keyed")).json()["id"], "completed")
        path = f"/v1/orders/{order['id']}/credentials"
        before = (await presshook.client.get(path)).json()
    url = async_database_url(database_url)
    both = Database(url, Encryption([NEW_KEY, SECRET_KEY]))
    assert await rekey(both) >= 4
    await both.dispose()
    async with run_presshook(database_url, sandbox.url, secret_key=NEW_KEY) as presshook:
        assert (await presshook.client.get(path)).json() == before
    old = Database(url, Encryption([SECRET_KEY]))
    with pytest.raises(UndecryptableError):
        await read_credentials(old, UUID(order["id"]), reader=Actor("test"))
    async with old.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM orders"))).scalar_one() == 1
    await old.dispose()
