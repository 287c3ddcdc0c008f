"""Nobody who is not let in, and no single key, takes the places of all others among the connections."""

import asyncio
import json
import math
from contextlib import AsyncExitStack, ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Scope

from app.api import auth
from app.api.middleware import guessing
from app.api.middleware.places import Shares, lasting_places
from app.dashboard.routes import signing_in
from app.server import fair
from app.server.crowd import Crowd
from tests.harness import Sandbox, eventually, run_presshook
from tests.server.conftest import answer, closed, connected
from tests.settings import API_KEY

MOST = 8
WRONG = b"GET /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer phk_wrong\r\n\r\n"
FORGED = b"POST /v1/callbacks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
SIGNING_IN = (
    b"POST /ui/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 9\r\nSec-Fetch-Site: same-origin\r\n\r\nkey=wrong"
)


@pytest.fixture(autouse=True)
def crowds(monkeypatch: pytest.MonkeyPatch) -> list[Crowd]:
    """What watches over the connections of the servers that are started: they have few places."""
    made: list[Crowd] = []

    def make() -> Crowd:
        made.append(Crowd(most=MOST))
        return made[-1]

    monkeypatch.setattr(fair, "Crowd", make)
    return made


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Task[Any]]:
    """Who presented a wrong key, of which none is answered while a test lasts."""
    tasks: list[asyncio.Task[Any]] = []
    hold_back = auth.hold_back

    async def hold_for_long(scope: Scope, _seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await hold_back(scope, 1000.0)

    monkeypatch.setattr(guessing, "BURST", 0)
    monkeypatch.setattr(auth, "hold_back", hold_for_long)
    monkeypatch.setattr(signing_in, "hold_back", hold_for_long)
    return tasks


def asked(key: str, *lines: bytes, target: bytes = b"/v1/orders?limit=1") -> bytes:
    return b"\r\n".join(
        (
            b"GET " + target + b" HTTP/1.1",
            b"Host: a",
            b"Authorization: Bearer " + key.encode(),
            *lines,
            b"",
            b"",
        )
    )


@pytest.mark.parametrize("wrong", [WRONG, SIGNING_IN], ids=["at the API", "at the dashboard"])
async def test_wrong_keys_take_no_place_from_a_right_one(
    database_url: str, sandbox: Sandbox, held: list[asyncio.Task[Any]], wrong: bytes
) -> None:
    """A right key never waits, and nobody locks out anyone else."""
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        AsyncExitStack() as stack,
    ):
        await presshook.client.aclose()
        guessers = [await stack.enter_async_context(connected(presshook.url, wrong)) for _ in range(MOST)]
        await eventually(lambda: asyncio.sleep(0, len(held)), lambda many: many == MOST)
        reader, _ = await stack.enter_async_context(connected(presshook.url, asked(API_KEY)))
        assert (await answer(reader))[0] == 200
        gone = [asyncio.create_task(closed(guesser)) for guesser, _ in guessers]
        done, others = await asyncio.wait(gone, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        assert [task.result() for task in done] == [True], "one of them has gone for it, unanswered"
        for task in held:
            task.cancel()  # the service would wait for them when it ends


@pytest.mark.parametrize("key", ["", API_KEY], ids=["at the sign-in", "with a key"])
async def test_who_takes_long_to_send_a_body_takes_no_place_from_others(
    database_url: str, sandbox: Sandbox, crowds: list[Crowd], key: str
) -> None:
    """Anybody can begin to sign in, and a tenant to order."""
    ordering = asked(key, b"Content-Type: application/json", b"Content-Length: 9", target=b"/v1/orders")
    beginning = ordering.replace(b"GET", b"POST") + b"{" if key else SIGNING_IN.removesuffix(b"wrong")
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        AsyncExitStack() as stack,
    ):
        await presshook.client.aclose()
        for _ in range(MOST):
            await stack.enter_async_context(connected(presshook.url, beginning))
        await eventually(lambda: asyncio.sleep(0, len(crowds[-1]._bodies._until)), lambda many: many == MOST)
        reader, _ = await stack.enter_async_context(connected(presshook.url, asked(API_KEY)))
        assert (await answer(reader))[0] == 200


async def test_streams_of_one_key_leave_room_for_others(database_url: str, sandbox: Sandbox) -> None:
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        AsyncExitStack() as stack,
    ):
        body = {"name": "tenant", "scopes": ["orders:read"], "account_ids": ["another"]}
        tenant = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
        await presshook.client.aclose()
        stream = asked(tenant, b"Accept: text/event-stream", target=b"/v1/events")
        asking = [await stack.enter_async_context(connected(presshook.url, stream)) for _ in range(MOST)]
        answers = [await answer(reader) for reader, _ in asking]
        assert sorted(status for status, _, _ in answers) == [200] * 4 + [429] * (MOST - 4)
        refused = next((headers, json.loads(body)) for status, headers, body in answers if status == 429)
        assert refused[0]["retry-after"] == "5"
        assert refused[1] == {
            "type": "urn:presshook:problem:too-many-streams",
            "title": "Too Many Requests",
            "status": 429,
            "detail": "This API key may have 4 streams and waiting requests open at this replica, and has. "
            "Try again once one of them has ended, or have several readers share a stream.",
        }
        reader, _ = await stack.enter_async_context(connected(presshook.url, asked(API_KEY)))
        assert (await answer(reader))[0] == 200
        own = asked(API_KEY, b"Accept: text/event-stream", target=b"/v1/events")
        reader, _ = await stack.enter_async_context(connected(presshook.url, own))
        assert (await answer(reader))[0] == 200, "each key has a share of its own"
        _, writer = asking[[status for status, _, _ in answers].index(200)]
        writer.close()

        async def again() -> int:
            async with connected(presshook.url, stream) as (reader, _):
                return (await answer(reader))[0]

        await eventually(again, lambda status: status == 200)


async def test_waiting_requests_of_one_key_leave_room_for_others(database_url: str, sandbox: Sandbox) -> None:
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        AsyncExitStack() as stack,
    ):
        order_id = (await presshook.order("Order", wait=0)).json()["id"]
        await presshook.client.aclose()
        wait = asked(API_KEY, target=f"/v1/orders/{order_id}?wait=30".encode())
        asking = [await stack.enter_async_context(connected(presshook.url, wait)) for _ in range(MOST)]
        told = [asyncio.create_task(answer(reader)) for reader, _ in asking]
        await eventually(lambda: asyncio.sleep(0, sum(task.done() for task in told)), lambda many: many == 4)
        assert [task.result()[0] for task in told if task.done()] == [200] * 4, "with what is known"
        reader, _ = await stack.enter_async_context(connected(presshook.url, asked(API_KEY)))
        assert (await answer(reader))[0] == 200
        for task in told:
            task.cancel()


async def test_streams_of_many_keys_leave_room_for_what_does_not_last(
    database_url: str, sandbox: Sandbox
) -> None:
    """Half of all places for each key was all of them for two: even `/livez` was answered 503."""
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        AsyncExitStack() as stack,
    ):
        body = {"name": "tenant", "scopes": ["orders:read", "keys:write"], "account_ids": ["another"]}
        tenant = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
        keys = [tenant]
        for number in range(4):
            made = await presshook.client.post(
                "/v1/keys",
                json={**body, "name": f"another {number}", "scopes": ["orders:read"]},
                headers={"Authorization": f"Bearer {tenant}"},
            )
            keys.append(made.json()["key"])
        await presshook.client.aclose()
        granted = []
        for key in keys:
            stream = asked(key, b"Accept: text/event-stream", target=b"/v1/events")
            statuses = []
            for _ in range(5):
                reader, _ = await stack.enter_async_context(connected(presshook.url, stream))
                statuses.append((await answer(reader))[0])
            granted.append(statuses.count(200))
            assert set(statuses) <= {200, 429}
        assert granted == [4, 2, 1, 0, 0]
        for request in (asked("", target=b"/livez"), asked(API_KEY), FORGED):
            reader, _ = await stack.enter_async_context(connected(presshook.url, request))
            assert (await answer(reader))[0] == (401 if request is FORGED else 200)


async def test_end_users_pages_leave_room_for_others(database_url: str, sandbox: Sandbox) -> None:
    """Nobody signs in to them, and a tenant may have as many as it has orders: all have one key's share."""
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        AsyncExitStack() as stack,
    ):
        statuses = []
        for name in ("One", "Other"):
            body = {"site": {"name": name, "variant": "vanilla"}, "progress_page": True}
            placed = await presshook.client.post("/v1/orders", json=body, headers={"Prefer": "wait=0"})
            path = urlsplit(placed.json()["progress_url"]).path
            watching = asked("", target=f"{path}/stream".encode())
            for _ in range(3):
                reader, _ = await stack.enter_async_context(connected(presshook.url, watching))
                statuses.append((await answer(reader))[0])
        assert statuses == [200] * 4 + [429] * 2
        reader, _ = await stack.enter_async_context(connected(presshook.url, asked(API_KEY)))
        assert (await answer(reader))[0] == 200


@pytest.mark.parametrize(
    ("places", "most"), [(None, math.inf), (20_000, 8_751), (896, 393), (128, 57), (8, 4), (2, 1), (1, 1)]
)
def test_no_key_has_more_than_its_share(places: int | None, most: float) -> None:
    """Half of seven eighths for a key that is alone."""
    assert Shares().most("alone", places) == most


@pytest.mark.parametrize("places", [2, 3, 8, 9, 128, 20_000])
def test_what_lasts_of_any_number_of_keys_leaves_places(places: int) -> None:
    """Each key has as many as it may, and the one before takes half of what is left to the one after."""
    shares, total = Shares(), 0
    with ExitStack() as stack:
        for key in map(str, range(100)):
            left = lasting_places(places) - total
            while stack.enter_context(shares.taken(key, places)):
                total += 1
            assert lasting_places(places) - total >= (left - 1) // 2
        assert total == lasting_places(places) < places
        assert not stack.enter_context(shares.taken("another", places))
    assert shares.most("another", places) == Shares().most("another", places), "all have ended"
