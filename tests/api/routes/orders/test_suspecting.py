"""What CloudPress has that may be an order: what is listed, and what CloudPress tells of each."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from app.api.routes.orders import suspecting
from app.db.models import LookUp, Order, Orphan
from app.keys.changing import make_key, revoke_key
from app.keys.grants import NewKey
from app.keys.grants import Scope as KeyScope
from app.main import Service
from app.server.embedded import serving
from app.server.listening import listen
from app.states import OrderStatus, Suspicion
from tests.ended_keys import ACTOR
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN

ASKED = "GET /api/orders/{order_id}"
UNKNOWN = "01890000-0000-7000-8000-000000000000"


async def made_at_cloudpress(sandbox: Sandbox, name: str, **site: str) -> str:
    """Make an order at CloudPress of which no database here knows."""
    answer = await sandbox.client.post(
        "/api/orders",
        json={
            "site": {"name": name, "variant": "vanilla", **site},
            "callback": {"url": "http://127.0.0.1:9/", "authorization": "x"},
        },
        headers={"Authorization": f"Token {CLOUDPRESS_TOKEN}", "X-Auth-Account": CLOUDPRESS_ACCOUNT},
    )
    order_id: str = answer.json()["order"]["id"]
    return order_id


async def kept(service: Service, look_up: dict[str, list[str]] | None = None, **values: Any) -> UUID:
    """Keep an unconfirmed order and what a look-up has found."""
    async with service.db.write() as tx:
        order = Order(
            id=uuid7(), site_name="Rosa's Bakery", variant="vanilla", client_metadata={}, created_at=tx.now,
            updated_at=tx.now,
            **{"status": OrderStatus.UNCONFIRMED, "account_id": CLOUDPRESS_ACCOUNT, **values},
        )  # fmt: skip
        tx.session.add(order)
        await tx.session.flush()
        if look_up is not None:
            found = {"candidates": [], "suspects": [], "unseen": [], **look_up}
            listed = {each: "2026-11-26T08:00:00+00:00" for order_ids in found.values() for each in order_ids}
            tx.session.add(LookUp(order_id=order.id, completed=1, listed=listed, **found))
        return order.id


async def suspects(presshook: Presshook, order_id: UUID) -> dict[str, Any]:
    answer = await presshook.client.get(f"/v1/orders/{order_id}/suspects")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_is_listed_with_what_cloudpress_tells_of_it(database_url: str, sandbox: Sandbox) -> None:
    fits = await made_at_cloudpress(sandbox, "Rosa's Bakery [payment-first]", location="Amsterdam")
    other = await made_at_cloudpress(sandbox, "Quiet Garden")
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        service = presshook.service
        order_id = await kept(service, {"candidates": [fits], "suspects": [other, "gone"], "unseen": ["new"]})
        holder = await kept(service, cloudpress_order_id=other)
        found = await suspects(presshook, order_id)
        named = [(each["cloudpress_order_id"], each["code"]) for each in found["data"]]
        assert named == [
            (fits, "candidate"), (other, "suspect"), ("gone", "suspect"), ("new", "unseen")
        ]  # fmt: skip
        assert found["left_out"] == 0
        first, second, third, _ = found["data"]
        assert first["detail"] == Suspicion.CANDIDATE.sentence
        assert first["placed_at"] == "2026-11-26T08:00:00Z"
        assert (first["held_by"], first["untold"]) == (None, None)
        told = first["told"]
        assert (told["variant"], told["location"], told["awaits_payment"]) == ("vanilla", "Amsterdam", True)
        assert (told["created_at"] is not None, len(told["tasks"])) == (True, 1)
        assert second["held_by"] == str(holder)
        assert (third["told"], third["untold"]) == (None, "CloudPress shows the account no such order.")


async def test_a_site_is_asked_for_its_name(database_url: str, sandbox: Sandbox) -> None:
    done = await made_at_cloudpress(sandbox, "Rosa's Bakery")
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = await kept(presshook.service, {"candidates": [done]})

        async def look() -> dict[str, Any]:
            told: dict[str, Any] = (await suspects(presshook, order_id))["data"][0]["told"]
            return told

        told = await eventually(look, lambda seen: seen["site_id"] is not None)
        assert told["site_name"] == "Rosa's Bakery"


async def test_doubles_and_orphans_are_listed_and_what_nothing_is_suspected_of_has_none(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        service = presshook.service
        twice = await kept(service, status=OrderStatus.PROVISIONING, suspected_duplicates=["second"])
        plain = await kept(service, {"suspects": ["old"]}, status=OrderStatus.PROVISIONING)
        lost = await kept(service, {"candidates": ["lost"]})
        async with service.db.write() as tx:
            for account in (CLOUDPRESS_ACCOUNT, "acct-other"):
                tx.session.add(
                    Orphan(account_id=account, cloudpress_order_id=f"lost of {account}", found_at=tx.now)
                )
            tx.session.add(Orphan(account_id=CLOUDPRESS_ACCOUNT, cloudpress_order_id="lost", found_at=tx.now))
        codes = {}
        for order_id in (twice, plain, lost):
            found = (await suspects(presshook, order_id))["data"]
            codes[order_id] = [(each["cloudpress_order_id"], each["code"]) for each in found]
        assert codes[twice] == [("second", "duplicate")]
        assert codes[plain] == []
        # What a restored database has lost is no candidate, whatever a look-up says.
        assert set(codes[lost]) == {("lost", "orphan"), (f"lost of {CLOUDPRESS_ACCOUNT}", "orphan")}


async def test_of_very_many_the_first_are_asked_about_and_the_rest_is_counted(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = await kept(presshook.service, {"suspects": [f"it-{n:03}" for n in range(130)]})
        found = await suspects(presshook, order_id)
        assert (len(found["data"]), found["left_out"]) == (suspecting.LISTED, 30)
        assert await sandbox.requests("GET /api/orders/{order_id}") == suspecting.ASKED_ABOUT
        assert "first 20" in found["data"][-1]["untold"]


async def test_who_asks_for_the_head_has_cloudpress_asked_for_nothing(
    database_url: str, sandbox: Sandbox
) -> None:
    """Nothing in the head depends on what it tells, but how long the answer would be, which is not told."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        client = presshook.client
        order_id = await kept(presshook.service, {"suspects": ["one", "other"]})
        await client.post("/ui/sign-in", data={"key": API_KEY}, headers={"Sec-Fetch-Site": "same-origin"})
        for path in (f"/v1/orders/{order_id}/suspects", f"/ui/orders/{order_id}/resolve"):
            before = await sandbox.requests(ASKED)
            head = await client.head(path)
            assert (head.status_code, head.content, await sandbox.requests(ASKED)) == (200, b"", before)
            assert "content-length" not in head.headers
            got = await client.get(path)
            assert await sandbox.requests(ASKED) == before + 2
            ours = {"content-length", "x-request-id"}
            told = [{name: each.headers[name] for name in {*each.headers} - ours} for each in (head, got)]
            assert told[0] == told[1]
        assert (await client.head(f"/v1/orders/{UNKNOWN}/suspects")).status_code == 404


async def test_a_cloudpress_that_does_not_answer_keeps_nobody_waiting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspecting, "DEADLINE_SECONDS", 0.2)
    asked = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with run_presshook(database_url, url, reconcile=False) as presshook:
            order_id = await kept(presshook.service, {"suspects": ["a", "b", "c", "d", "e", "f"]})
            found = await suspects(presshook, order_id)
            assert {each["untold"] for each in found["data"]} == {"CloudPress has not answered in time."}
            assert len(asked) == suspecting.AT_A_TIME


async def test_a_cloudpress_that_cannot_be_asked_is_said_to_be_so(database_url: str) -> None:
    async with run_presshook(database_url, "http://127.0.0.1:9", reconcile=False) as presshook:
        stored = await kept(presshook.service, {"suspects": ["a"]})
        unknown = await kept(presshook.service, {"suspects": ["a"]}, account_id="acct-untold")
        for order_id, words in (
            (stored, "CloudPress could not be asked."),
            (unknown, "No API token is configured for the CloudPress account."),
        ):
            [found] = (await suspects(presshook, order_id))["data"]
            assert (found["told"], found["untold"]) == (None, words)


async def test_what_another_account_has_is_not_told(database_url: str) -> None:
    """A CloudPress, or a proxy before it, that heeds no account."""

    async def order(_request: Request) -> Response:
        told = {"order": {"id": "a", "status": "completed"}, "tasks": [], "account": {"id": "acct-other"}}
        return JSONResponse(told)

    app = Starlette(routes=[Route("/api/orders/{order_id}", order)])
    listener = listen("127.0.0.1", 0)
    async with (
        serving(app, listener) as url,
        run_presshook(database_url, url, reconcile=False) as presshook,
    ):
        order_id = await kept(presshook.service, {"suspects": ["a"]})
        [found] = (await suspects(presshook, order_id))["data"]
        assert (found["told"], found["untold"]) == (None, "CloudPress shows the account no such order.")


@pytest.mark.parametrize(
    "path", ["/v1/orders/{order_id}/suspects", "/v1/catalog", "/ui/orders/{order_id}/resolve"]
)
async def test_a_key_that_is_revoked_while_cloudpress_is_asked_is_told_nothing_of_it(
    database_url: str, path: str
) -> None:
    """What a key has open ends with it at once (README, "Keys and accounts"), an answer that waits too."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def answer(_request: Request) -> Response:
        asked.set()
        await answers.wait()
        about = {"locations": [{"id": "ams", "name": "Told later"}], "products": []}
        return JSONResponse(
            {"order": {"id": "a", "status": "open", "location": "Told later"}, "tasks": [], **about}
        )

    app = Starlette(routes=[Route("/api/{path:path}", answer)])
    async with (
        serving(app, listen("127.0.0.1", 0)) as url,
        run_presshook(database_url, url, reconcile=False) as presshook,
    ):
        service = presshook.service
        order_id = await kept(service, {"suspects": ["a"]})
        new = NewKey("shop", (KeyScope.ORDERS_READ, KeyScope.ORDERS_WRITE))
        made = await make_key(service.db, new, by=ACTOR)
        client = presshook.client
        client.headers["Authorization"] = f"Bearer {made.key}"
        signed_in = await client.post(
            "/ui/sign-in", data={"key": made.key}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert signed_in.status_code == 303
        asking = asyncio.create_task(client.get(path.format(order_id=order_id)))
        await asked.wait()
        assert await revoke_key(service.db, made.stored.id, by=ACTOR)
        answers.set()
        told = await asking
        assert "Told later" not in told.text
        assert told.status_code == (303 if path.startswith("/ui") else 401)
