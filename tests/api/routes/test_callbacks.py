"""The callback intake: who is let in, and what is made of it."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.db.models import Callback, Order
from app.main import Service
from app.orders.callbacks import MAX_BODIES_PER_ORDER
from app.queue.group_commit import GroupCommit, TooManyWaitingError
from app.secrets import CallbackSecrets
from app.telemetry import tally
from tests.api.conftest import client_of
from tests.harness import eventually


@pytest.fixture
async def order_id(client: httpx.AsyncClient) -> UUID:
    """An order's id."""
    answer = await client.post("/v1/orders", json={"site": {"name": "Site", "variant": "vanilla"}})
    return UUID(answer.json()["id"])


def headers(service: Service, order_id: UUID) -> dict[str, str]:
    return {"Authorization": service.callback_secrets.authorization(order_id)}


async def callbacks(service: Service) -> list[Callback]:
    async with service.db.read() as session:
        query = select(Callback).options(undefer(Callback.body)).order_by(Callback.id)
        return list(await session.scalars(query))


@pytest.mark.parametrize(
    ("body", "task_id", "reason"),
    [
        (b'{"task": {"id": 7, "status": "OK"}}', 7, "the documented task"),
        (b'{"id": 7, "status": "OK"}', 7, "the task's fields at the top"),
        (b'{"task_id": 7}', 7, "the id alone"),
        (b'{"task_id": "7"}', 7, "a number as a string"),
        (b'{"timestamp": 1, "success": true, "data": []}', None, "the ancestor's"),
        (b"", None, "empty"),
        (b"task 7 is done", None, "not JSON"),
        (b"\xff\xfe\x00", None, "not UTF-8"),
        (b"[" * 60_000, None, "deeply nested"),
        (b'{"task_id": ' + b"9" * 5000 + b"}", None, "a number too large to be one"),
        (b'{"task_id": 9223372036854775808}', None, "one more than the database holds"),
        (b'{"task_id": -1}', None, "no id"),
        (b'{"task_id": true}', None, "no id"),
        (b'{"task_id": 1.5}', None, "no id"),
        (b'{"task": "seven"}', None, "not a number"),
        (b'"\\ud800"', None, "half a character"),
        (b'{"task": {"id": {"id": 7}}}', None, "not a number"),
    ],
)
async def test_any_body_is_taken_whole_and_its_task_is_a_hint(
    client: httpx.AsyncClient, service: Service, order_id: UUID, body: bytes, task_id: int | None, reason: str
) -> None:
    before = (await client.get(f"/v1/orders/{order_id}")).json()
    answer = await client.post(f"/v1/callbacks/{order_id}", content=body, headers=headers(service, order_id))
    assert (answer.status_code, answer.content) == (204, b""), reason
    [stored] = await callbacks(service)
    assert (stored.body, stored.task_id, stored.count) == (body, task_id, 1), reason
    assert (await client.get(f"/v1/orders/{order_id}")).json() == before, (
        "it changes nothing by what it claims"
    )


async def test_a_repeat_is_counted(client: httpx.AsyncClient, service: Service, order_id: UUID) -> None:
    for _ in range(3):
        await client.post(f"/v1/callbacks/{order_id}", content=b"x", headers=headers(service, order_id))
    [stored] = await callbacks(service)
    assert stored.count == 3


async def test_a_sender_that_repeats_itself_does_not_fill_the_log(
    client: httpx.AsyncClient, service: Service, order_id: UUID
) -> None:
    with structlog.testing.capture_logs() as logged:
        for _ in range(20):
            answer = await client.post(f"/v1/callbacks/{order_id}", headers=headers(service, order_id))
            assert answer.status_code == 204
    told = [line["order"] for line in logged if line["event"] == "callback"]
    assert told == [str(order_id)] * 5, "the first, second, fourth, eighth and sixteenth"
    [kept] = await callbacks(service)
    assert kept.count == 20


async def test_a_sender_that_never_repeats_itself_does_not_fill_the_database(
    client: httpx.AsyncClient, service: Service, order_id: UUID
) -> None:
    for number in range(MAX_BODIES_PER_ORDER + 5):
        body = f"{number}".encode()
        await client.post(f"/v1/callbacks/{order_id}", content=body, headers=headers(service, order_id))
    stored = await callbacks(service)
    assert len(stored) == MAX_BODIES_PER_ORDER
    assert sum(callback.count for callback in stored) == MAX_BODIES_PER_ORDER + 5


async def test_a_callback_wakes_its_order(
    client: httpx.AsyncClient, service: Service, order_id: UUID
) -> None:
    async with service.db.write() as tx:
        order = await tx.session.get_one(Order, order_id)
        order.due_at = None
    service.signals.due_of(Order).clear()
    await client.post(f"/v1/callbacks/{order_id}", headers=headers(service, order_id))
    async with service.db.read() as session:
        order = await session.get_one(Order, order_id)
    assert (order.wakes, order.due_at is not None) == (1, True)
    assert service.signals.due_of(Order).is_set()


async def test_whoever_is_not_let_in_cannot_tell_why(
    client: httpx.AsyncClient, service: Service, order_id: UUID
) -> None:
    right = service.callback_secrets.authorization(order_id)
    unknown = uuid4()
    attempts: list[tuple[object, list[tuple[str, str]]]] = [
        (order_id, []),
        (order_id, [("Authorization", "")]),
        (order_id, [("Authorization", right.removeprefix("Bearer "))]),
        (order_id, [("Authorization", right[:-1])]),
        (order_id, [("Authorization", f"{right} ")]),
        (order_id, [("Authorization", right), ("Authorization", right)]),
        (order_id, [("Authorization", service.callback_secrets.authorization(unknown))]),
        (unknown, [("Authorization", right)]),
        (unknown, [("Authorization", service.callback_secrets.authorization(unknown))]),
        (str(order_id).upper(), [("Authorization", right)]),
        ("not-a-uuid", [("Authorization", right)]),
    ]
    client.headers.pop("Authorization")
    seen = set()
    for path, sent in attempts:
        answer = await client.post(f"/v1/callbacks/{path}", headers=sent, content=b"x" * 100_000)
        if (path, sent) == attempts[8]:
            # Its value is right, so its body is read, but there is no such order.
            answer = await client.post(f"/v1/callbacks/{path}", headers=sent, content=b"x")
        seen.add((answer.status_code, answer.content, answer.headers["www-authenticate"]))
    assert len(seen) == 1
    assert seen.pop()[0] == 401
    assert await callbacks(service) == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_64_kib_is_413(
    client: httpx.AsyncClient, service: Service, order_id: UUID, *, chunked: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b"x" * 1024

    content = chunks() if chunked else b"x" * 65 * 1024
    answer = await client.post(
        f"/v1/callbacks/{order_id}", content=content, headers=headers(service, order_id)
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert await callbacks(service) == []


async def test_a_body_of_64_kib_is_taken(client: httpx.AsyncClient, service: Service, order_id: UUID) -> None:
    content = b"x" * 64 * 1024
    answer = await client.post(
        f"/v1/callbacks/{order_id}", content=content, headers=headers(service, order_id)
    )
    assert answer.status_code == 204


async def test_an_old_key_still_lets_callbacks_in(
    client: httpx.AsyncClient, service: Service, order_id: UUID
) -> None:
    new_key = "another secret key that is long enough now"
    rotated = CallbackSecrets((new_key, *service.settings.secret_keys))
    assert rotated.verify(str(order_id), service.callback_secrets.authorization(order_id).encode())
    assert not CallbackSecrets([new_key]).verify(
        str(order_id), service.callback_secrets.authorization(order_id).encode()
    )
    assert (await client.get(f"/v1/orders/{order_id}")).status_code == 200


# --- before the routing, and yet as every other request -------------------------------------------------


async def test_an_answer_has_what_every_answer_has(
    client: httpx.AsyncClient, service: Service, order_id: UUID
) -> None:
    named = {"X-Request-ID": "mine"}
    elsewhere = await client.get(f"/v1/orders/{order_id}", headers={"Authorization": "Bearer no", **named})
    for path in (f"/v1/callbacks/{order_id}", "/v1/callbacks/nothing"):
        refused = await client.post(path, headers=named)
        assert (refused.status_code, elsewhere.status_code) == (401, 401)
        assert dict(refused.headers) == dict(elsewhere.headers)
        assert refused.json() == elsewhere.json()
    taken = await client.post(
        f"/v1/callbacks/{order_id}", headers={**headers(service, order_id), "X-Request-ID": 'no good: "'}
    )
    assert UUID(taken.headers["x-request-id"]).version == 4
    assert taken.headers["cache-control"] == "no-store"
    assert taken.headers["x-content-type-options"] == "nosniff"
    assert "content-type" not in taken.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/callbacks/{}", 405),
        ("POST", "/v1/callbacks/", 404),
        ("POST", "/v1/callbacks/{}/", 404),
        ("POST", "/v1/callbacks/{}/more", 404),
        ("POST", "/v1/callbackss/{}", 404),
    ],
)
async def test_whatever_is_no_callback_is_left_to_the_routing(
    client: httpx.AsyncClient, order_id: UUID, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, path.format(order_id))).status_code == status


async def test_a_flood_of_forgeries_is_told_in_a_line_a_second(
    client: httpx.AsyncClient, order_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "SECONDS", 0.2)
    with structlog.testing.capture_logs() as logged:
        for number in range(30):
            sent = {"Authorization": f"Bearer {number}"}
            assert (await client.post(f"/v1/callbacks/{order_id}", headers=sent)).status_code == 401

        async def lines() -> list[int]:
            return [line["count"] for line in logged if line["event"] == "callback_refused"]

        counts = await eventually(lines, lambda seen: sum(seen) == 30)
    assert counts[0] == 1, "the first is told at once"
    assert len(counts) < 30
    assert "Bearer" not in str(logged)


async def test_more_than_can_be_stored_is_sent_away_for_a_moment(
    client: httpx.AsyncClient, service: Service, order_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> bool:
        raise TooManyWaitingError

    monkeypatch.setattr(GroupCommit, "add", refuse)
    answer = await client.post(f"/v1/callbacks/{order_id}", headers=headers(service, order_id))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:presshook:problem:busy"
    assert await callbacks(service) == []


async def test_a_defect_is_told_without_its_text(
    client: httpx.AsyncClient, service: Service, order_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object) -> bool:
        raise ValueError("a secret of the body")

    monkeypatch.setattr(GroupCommit, "add", break_down)
    with structlog.testing.capture_logs() as logged:
        answer = await client.post(f"/v1/callbacks/{order_id}", headers=headers(service, order_id))
    assert (answer.status_code, "secret" in answer.text, "secret" in str(logged)) == (500, False, False)
    assert [line["event"] for line in logged] == ["request_broken"]


async def test_a_database_that_is_away_has_it_sent_again(without_database: Service) -> None:
    order_id = uuid4()
    sent = headers(without_database, order_id)
    async with client_of(without_database) as client:
        answer = await client.post(f"/v1/callbacks/{order_id}", headers=sent)
        forged = await client.post(f"/v1/callbacks/{order_id}", headers={"Authorization": "Bearer no"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:presshook:problem:database-away")
    assert forged.status_code == 401, "nothing is asked about a forgery"
