"""Events on open connections: without a gap, without a repeat, and without end only where that is meant."""

import asyncio
import json
from asyncio.selector_events import _SelectorTransport  # type: ignore[attr-defined]
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.api.routes.events import wants_stream
from app.events import feed
from app.events import reading as events
from app.events.timeline import record
from app.events.types import EventType
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT
from tests.sse import Told, read_all, stream

MILESTONES = ["order.placed", "order.completed"]


async def subscriptions(presshook: Presshook) -> int:
    return len(presshook.service.feed._subscriptions)


async def happen(presshook: Presshook, order_id: str, *, times: int = 1, text: str = "") -> None:
    """Add to an order's timeline."""
    async with presshook.service.db.write() as tx:
        for _ in range(times):
            record(tx, UUID(order_id), EventType.REQUEST_FAILED, text=text)


async def all_ids(presshook: Presshook, order_id: str | None = None) -> list[int]:
    interest = events.Interest(UUID(order_id) if order_id else None)
    async with presshook.service.db.read() as session:
        return [each.id for each in await events.read_events(session, interest, after=0, limit=100_000)]


async def test_one_order_is_followed_to_its_end(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order", wait=0)).json()["id"]
        told = await read_all(presshook.client, f"/v1/orders/{order_id}/events")
        assert told[0].type == "order.accepted"
        assert [each.type for each in told if each.type in MILESTONES] == MILESTONES
        assert told[-1].type == "order.completed"
        assert [each.id for each in told] == await all_ids(presshook, order_id)
        again = await read_all(presshook.client, f"/v1/orders/{order_id}/events", after=told[2].id)
        assert again == told[3:]
        ended = await presshook.client.get(
            f"/v1/orders/{order_id}/events",
            headers={"Accept": "text/event-stream", "Last-Event-ID": str(told[-1].id)},
        )
        assert ended.status_code == 204


async def test_a_milestone_carries_the_order_as_it_was(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        await presshook.until(order_id, "awaiting_payment")
        shown_then = await presshook.show(order_id)
        [made] = await sandbox.orders()
        await sandbox.post(f"/orders/{made['id']}/pay")
        told = {each.type: each for each in await read_all(presshook.client, f"/v1/orders/{order_id}/events")}
        assert told["order.payment_required"].body["order"] == {**shown_then, "waiting_for": None}
        assert told["order.completed"].body["order"] == await presshook.show(order_id)
        assert told["order.accepted"].body["order"] is None
        password = (await presshook.client.get(f"/v1/orders/{order_id}/credentials")).json()["ssh"][
            "password"
        ]
        assert password not in json.dumps([each.body for each in told.values()])


async def test_all_orders_are_followed_from_now_on_and_by_filter(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        before = (await presshook.order("Before")).json()["id"]
        await presshook.until(before, "completed")
        async with (
            stream(presshook.client, "/v1/events") as everything,
            stream(presshook.client, "/v1/events", type=MILESTONES) as milestones,
        ):
            await eventually(lambda: subscriptions(presshook), lambda seen: seen == 2)
            ids = {(await presshook.order(name, wait=0)).json()["id"] for name in ("One", "Two", "Three")}
            seen: list[Told] = []
            async for told in milestones:
                seen.append(told)
                if len(seen) == 6:
                    break
            assert {(each.body["order_id"], each.type) for each in seen} == {
                (order_id, kind) for order_id in ids for kind in MILESTONES
            }
            expected = [each for each in await all_ids(presshook) if each <= seen[-1].id]
            before_ids = await all_ids(presshook, before)
            got = []
            async for told in everything:
                got.append(told.id)
                if told.id == seen[-1].id:
                    break
            assert got == [each for each in expected if each not in before_ids]


async def test_a_stream_goes_on_where_the_one_before_it_broke_off_at_any_replica(
    database_url: str, sandbox: Sandbox
) -> None:
    async with (
        run_presshook(database_url, sandbox.url) as one,
        run_presshook(database_url, sandbox.url, reconcile=False) as other,
    ):
        order_id = (await one.order("Order")).json()["id"]
        await one.until(order_id, "completed")
        await happen(one, order_id, times=300)
        got: list[int] = []
        reading = asyncio.create_task(_keep_reading([one, other], got))
        for _ in range(50):
            await happen(one, order_id, times=3)
            await happen(other, order_id, times=3)
        expected = await all_ids(one)
        await eventually(lambda: _length(got), lambda length: length >= len(expected))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert got == expected


async def _length(items: list[int]) -> int:
    return len(items)


async def _keep_reading(replicas: list[Presshook], got: list[int]) -> None:
    """Read from one replica after the other, breaking off each time after some events."""
    turn = 0
    while True:
        turn += 1
        client = replicas[turn % len(replicas)].client
        async with stream(client, "/v1/events", after=got[-1] if got else 0) as opened:
            read_now = 0
            async for told in opened:
                got.append(told.id)
                read_now += 1
                if read_now == 1 + turn * 7 % 40:
                    break


async def test_an_idle_stream_says_that_it_is_alive(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, heartbeat_seconds=0.05) as presshook:
        order_id = (await presshook.order("Order")).json()["id"]
        await presshook.until(order_id, "completed")
        async with stream(presshook.client, "/v1/events") as opened:
            lines = opened.answer.aiter_lines()
            beats = 0
            while beats < 3:
                beats += (await anext(lines)) == ": still here"


async def test_a_key_sees_its_own_accounts_events_alone(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        keys: dict[str, Any] = {}
        for account in (CLOUDPRESS_ACCOUNT, "another"):
            body = {"name": account, "scopes": ["orders:read"], "account_ids": [account]}
            keys[account] = (await presshook.client.post("/v1/keys", json=body)).json()["key"]
        order_id = (await presshook.order("Order")).json()["id"]
        await presshook.until(order_id, "completed")
        expected = await all_ids(presshook, order_id)
        for account, ids in ((CLOUDPRESS_ACCOUNT, expected), ("another", [])):
            answer = await presshook.client.get(
                "/v1/events", params={"limit": 100}, headers={"Authorization": f"Bearer {keys[account]}"}
            )
            assert [each["id"] for each in answer.json()["data"]] == ids
        foreign = {"Authorization": f"Bearer {keys['another']}", "Accept": "text/event-stream"}
        hidden = await presshook.client.get(f"/v1/orders/{order_id}/events", headers=foreign)
        assert hidden.status_code == 404


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note the client of every connection that is cut off rather than closed, while it was open."""
    noted: list[Any] = []
    original = _SelectorTransport.abort

    def noting(transport: Any) -> None:
        if transport.get_write_buffer_size():
            noted.append(transport.get_extra_info("peername"))
        original(transport)

    monkeypatch.setattr(_SelectorTransport, "abort", noting)
    return noted


async def test_a_reader_that_does_not_read_is_dropped_and_misses_nothing(
    database_url: str, sandbox: Sandbox, cut_off: list[Any]
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order")).json()["id"]
        await presshook.until(order_id, "completed")
        first = (await all_ids(presshook))[-1]
        url = httpx.URL(presshook.url)
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=2**16)
        writer.write(
            f"GET /v1/events HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {API_KEY}\r\n"
            f"Accept: text/event-stream\r\nLast-Event-ID: {first}\r\n\r\n".encode()
        )
        await eventually(lambda: subscriptions(presshook), lambda seen: seen == 1)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        written = 0
        while await subscriptions(presshook):
            assert written < 20 * feed.MOST_WAITING, "never dropped"
            await happen(presshook, order_id, times=100, text="x" * 20_000)
            written += 100

        async def is_cut_off() -> bool:
            return writer.get_extra_info("sockname") in cut_off

        await eventually(is_cut_off, bool)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        got = [
            int(line.removeprefix(b"id: "))
            for line in (await reader.read()).split(b"\n")
            if line.startswith(b"id: ")
        ]
        writer.close()
        expected = [each for each in await all_ids(presshook) if each > first]
        assert got == expected[: len(got)]
        assert len(got) < len(expected)
        rest = []
        async with stream(presshook.client, "/v1/events", after=got[-1] if got else first) as opened:
            async for told in opened:
                rest.append(told.id)
                if told.id == expected[-1]:
                    break
        assert got + rest == expected


async def test_open_streams_do_not_hold_up_the_end(
    database_url: str, sandbox: Sandbox, cut_off: list[Any]
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        async with stream(presshook.client, "/v1/events") as opened:
            await eventually(lambda: subscriptions(presshook), lambda seen: seen == 1)
            presshook.service.signals.stop()
            assert [told async for told in opened] == []
        assert cut_off == [], "who reads is told the end"
        refused = await read_all(presshook.client, "/v1/events")
        assert refused == []


@pytest.mark.parametrize("header", ["abc", "-1", "1" * 19])
async def test_a_last_event_id_that_is_none_is_refused(
    database_url: str, sandbox: Sandbox, header: str
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        answer = await presshook.client.get(
            "/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": header}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].lower() == "last-event-id"


@pytest.mark.parametrize(
    ("accept", "told"),
    [
        (["text/event-stream"], "a stream"),
        (["Text/Event-Stream; charset=utf-8"], "a stream"),
        (["application/json, text/event-stream"], "a stream: both are as welcome, and it is named"),
        (["application/json", "text/event-stream"], "a stream: the same in two lines"),
        (["text/event-stream, */*;q=0.1"], "a stream: all else is less welcome"),
        (["text/event-stream;q=0.2, application/json;q=0.1"], "a stream"),
        (["application/json;q=0.1, text/event-stream;Q=0.20"], "a stream"),
        (["text/event-stream;q=0, text/event-stream"], "a stream: it is named once more"),
        (["text/event-stream;q=nonsense"], "a stream: that is no weight"),
        (["application/json;q=0, */*, text/event-stream;q=0.5"], "a stream: JSON least of all"),
        (["text/event-stream;q=0"], "a page: not acceptable"),
        (["application/json, text/event-stream;q=0"], "a page"),
        (["application/json, text/event-stream;q=0.1"], "a page"),
        (["text/event-stream;q=0.5, application/*"], "a page"),
        (["text/event-stream;q=0.5, */*"], "a page"),
        (["application/x-text/event-stream"], "a page: another type"),
        (["*/*"], "a page: no stream is named"),
        (["text/*"], "a page"),
        ([",;q=1,"], "a page"),
        (None, "a page"),
    ],
)
def test_a_stream_is_for_who_prefers_it(accept: list[str] | None, told: str) -> None:
    """RFC 9110, 12.4.2: a weight of 0 means not acceptable."""
    assert wants_stream(accept) == told.startswith("a stream")


async def test_who_prefers_a_page_gets_one(database_url: str) -> None:
    """Both where the events of one order are and where those of all are."""
    async with run_presshook(database_url, "http://127.0.0.1:9", reconcile=False) as presshook:
        order_id = (await presshook.order("Order", wait=0)).json()["id"]
        for path in (f"/v1/orders/{order_id}/events", "/v1/events"):
            headers = [("Accept", "application/json"), ("Accept", "text/event-stream;q=0.1")]
            answer = await presshook.client.get(path, headers=headers)
            assert answer.headers["Content-Type"] == "application/json"
