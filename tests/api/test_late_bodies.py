"""A request whose body ends after its key does nothing any more, at no address and however the key ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from app.api import auth
from app.db.database import Database
from app.db.models import Account, ApiKey, Order, Webhook
from app.keys.authentication import authenticate
from app.keys.changing import MadeKey, make_key, revoke_key, rotate_key
from app.keys.grants import Grant, NewKey, Scope
from app.main import Service
from tests.api.conftest import client_of
from tests.dashboard.conftest import browser_of
from tests.ended_keys import ACTOR, end_grace, expire
from tests.harness import PATIENCE_SECONDS, Presshook, Sandbox, replica, run_presshook
from tests.server.conftest import answer, connected
from tests.settings import CLOUDPRESS_ACCOUNT

NOTHING = "01890000-0000-7000-8000-000000000000"
ORDER = {"site": {"name": "Late", "variant": "vanilla"}}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
End = Callable[[Database, UUID], Awaitable[Any]]


ENDS: dict[str, End] = {
    "revoked": partial(revoke_key, by=ACTOR),
    "rotated": partial(rotate_key, grace_seconds=0, by=ACTOR),
    "expired": expire,
    "its grace over": end_grace,
}
BY = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
AT = pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "at another replica"])


async def make(service: Service) -> MadeKey:
    return await make_key(service.db, NewKey("shop", tuple(Scope)), by=ACTOR)


def bearer(made: MadeKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {made.key}", "Content-Type": "application/json", "Prefer": "wait=0"}


async def late(body: bytes, meanwhile: Callable[[], Awaitable[Any]]) -> AsyncIterator[bytes]:
    """Send a body, and do something before the last byte of it."""
    yield body[:-1]
    await meanwhile()
    yield body[-1:]


async def nothing() -> None:
    """Do nothing meanwhile."""


async def written(service: Service) -> list[int]:
    """Return how much there is of what keys can make."""
    async with service.db.read() as session:
        return [
            (await session.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (Order, ApiKey, Account, Webhook)
        ]


def writes(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return every method and path of an API that takes a body by a key."""
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation and "callbacks" not in path
    ]


@BY
async def test_no_address_takes_a_body_that_ends_after_its_key(service: Service, end: End) -> None:
    async with client_of(service) as client:
        addresses = writes((await client.get("/openapi.json")).json())
        assert len(addresses) >= 10
        for method, path in addresses:
            made = await make(service)
            while "{" in path:
                path = f"{path.partition('{')[0]}{NOTHING}{path.partition('}')[2]}"  # noqa: PLW2901
            answered = await client.request(
                method,
                path,
                headers=bearer(made),
                content=late(b"{}", partial(end, service.db, made.stored.id)),
            )
            assert answered.status_code == 401, f"{method} {path}: {answered.text}"
            assert answered.headers["www-authenticate"] == "Bearer"


@BY
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/orders", ORDER),
        ("/v1/keys", {"name": "survivor", "scopes": ["orders:read"]}),
        ("/v1/webhooks", {"url": "https://hooks.example/", "events": ["order.completed"]}),
    ],
    ids=["order", "key", "webhook"],
)
async def test_nothing_is_made_by_a_body_that_ends_after_its_key(
    service: Service, end: End, path: str, body: dict[str, Any]
) -> None:
    made = await make(service)
    before = await written(service)
    async with client_of(service) as client:
        content = late(json.dumps(body).encode(), partial(end, service.db, made.stored.id))
        answered = await client.post(path, headers=bearer(made), content=content)
        assert answered.status_code == 401
        assert await written(service) == before


class Slow:
    """A request over a socket, of which the head was let in and the body is waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep the connection."""
        self.reader, self.writer = reader, writer

    async def begin(self, path: str, key: str, *framing: str) -> None:
        """Send the head, and wait until the body is asked for: that is when `100 Continue` is sent."""
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: presshook.test",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            "Prefer: wait=0",
            "Expect: 100-continue",
            *framing,
            "",
            "",
        )
        self.writer.write("\r\n".join(lines).encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await self.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")

    async def end(self, rest: bytes) -> int:
        """Send the rest, and return the answer's status."""
        self.writer.write(rest)
        return (await answer(self.reader))[0]


@BY
@AT
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "in chunks"])
async def test_a_request_that_ends_after_its_key(
    database_url: str, sandbox: Sandbox, end: End, *, elsewhere: bool, chunked: bool
) -> None:
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        replica(database_url) as other,
        connected(presshook.url) as (reader, writer),
    ):
        made = await make(presshook.service)
        body = json.dumps(ORDER).encode()
        slow = Slow(reader, writer)
        await slow.begin(
            "/v1/orders",
            made.key,
            "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}",
        )
        # In chunks the whole body is there, and only that it ends is not said yet.
        first, rest = (
            (b"%x\r\n%s\r\n" % (len(body), body), b"0\r\n\r\n") if chunked else (body[:-1], body[-1:])
        )
        writer.write(first)
        await end(other if elsewhere else presshook.service.db, made.stored.id)
        assert await slow.end(rest) == 401
        assert await presshook.count_orders() == 0


async def test_a_leaked_key_is_not_taken_back_by_a_rotation_that_ends_late(
    database_url: str, sandbox: Sandbox
) -> None:
    async with (
        run_presshook(database_url, sandbox.url, reconcile=False) as presshook,
        connected(presshook.url) as (reader, writer),
    ):
        made = await make(presshook.service)
        slow = Slow(reader, writer)
        await slow.begin(f"/v1/keys/{made.stored.id}/rotate", made.key, "Content-Length: 2")
        ours = await rotate_key(presshook.service.db, made.stored.id, grace_seconds=0, by=ACTOR)
        assert ours is not None
        assert await slow.end(b"{}") == 401
        assert (await authenticate(presshook.service.db, ours.key)).key_id == made.stored.id


async def test_a_form_of_the_dashboard_that_ends_after_its_key_signs_out(service: Service) -> None:
    made = await make(service)
    before = await written(service)
    async with browser_of(service, key=made.key) as browser:
        content = late(
            b"name=survivor&scope=orders:read", lambda: revoke_key(service.db, made.stored.id, by=ACTOR)
        )
        answered = await browser.post("/ui/keys", headers=FORM, content=content)
        assert (answered.status_code, answered.headers["location"]) == (303, "/ui/sign-in?why=ended")
        assert not browser.cookies
        assert await written(service) == before


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the database about keys that were presented."""
    asked: list[str] = []

    async def counted(db: Database, presented: str) -> Grant:
        asked.append(presented)
        return await authenticate(db, presented)

    monkeypatch.setattr(auth, "authenticate", counted)
    return asked


@pytest.fixture
async def presshook(database_url: str, sandbox: Sandbox) -> AsyncIterator[Presshook]:
    """A service over sockets, without a reconciler."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        yield presshook


async def test_a_request_that_has_come_whole_is_looked_at_once(
    presshook: Presshook, looks: list[str]
) -> None:
    made = await make(presshook.service)
    body = json.dumps(ORDER)
    head = [f"{name}: {value}" for name, value in bearer(made).items()]
    lines = [
        "POST /v1/orders HTTP/1.1",
        "Host: presshook.test",
        *head,
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    async with connected(presshook.url, "\r\n".join(lines).encode()) as (reader, _):
        assert (await answer(reader))[0] == 202
    assert looks == [made.key]


async def test_a_body_that_was_waited_for_is_taken_while_its_key_lasts(
    presshook: Presshook, looks: list[str]
) -> None:
    made = await make(presshook.service)
    body = json.dumps(ORDER).encode()
    async with connected(presshook.url) as connection:
        slow = Slow(*connection)
        await slow.begin("/v1/orders", made.key, f"Content-Length: {len(body)}")
        assert await slow.end(body) == 202
    assert looks == [made.key, made.key]


async def test_a_callback_asks_for_no_key_however_late_it_comes(
    presshook: Presshook, looks: list[str]
) -> None:
    order_id = (await presshook.order("Called back", wait=0)).json()["id"]
    secret = presshook.service.callback_secrets.authorization(UUID(order_id))
    async with httpx.AsyncClient(base_url=presshook.url) as cloudpress:
        answered = await cloudpress.post(
            f"/v1/callbacks/{order_id}", headers={"Authorization": secret}, content=late(b"{}", nothing)
        )
    assert answered.status_code == 204
    assert looks == []


async def test_nothing_is_done_where_the_database_cannot_say_whether_the_key_lasts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)

    async def away(_db: Database, _presented: str) -> Grant:
        raise OperationalError("", None, Exception())

    async def lose() -> None:
        monkeypatch.setattr(auth, "authenticate", away)

    async with client_of(service) as client:
        content = late(json.dumps(ORDER).encode(), lose)
        answered = await client.post("/v1/orders", headers=bearer(made), content=content)
        assert (answered.status_code, answered.json()["type"]) == (503, "urn:presshook:problem:database-away")
        assert "retry-after" in answered.headers
    assert (await written(service))[0] == 0


async def test_a_key_that_ends_while_cloudpress_is_asked_changes_no_account(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)
    asked: list[str] = []

    async def ends(_self: object, account_id: str, _token: str) -> None:
        asked.append(account_id)
        await revoke_key(service.db, made.stored.id, by=ACTOR)

    monkeypatch.setattr("app.main._Checks.refusal_of_token", ends)
    async with client_of(service) as client:
        answered = await client.put("/v1/accounts/another", headers=bearer(made), json={"token": "t" * 40})
        assert (answered.status_code, asked) == (401, ["another"])
    assert (await written(service))[2] == 0


async def test_a_key_that_ends_while_cloudpress_is_asked_has_nothing_adopted(
    presshook: Presshook, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(presshook.service)
    order_id = (await presshook.order("Adopted", wait=0)).json()["id"]

    async def ends(_self: object, account_id: str, _cloudpress_order_id: str) -> bool:
        assert account_id == CLOUDPRESS_ACCOUNT
        await revoke_key(presshook.service.db, made.stored.id, by=ACTOR)
        return True

    monkeypatch.setattr("app.main._Checks.has_order", ends)
    async with presshook.service.db.write() as tx:
        await tx.session.execute(update(Order).values(status="unconfirmed"))
    body = {"action": "adopt", "cloudpress_order_id": "another"}
    answered = await presshook.client.post(f"/v1/orders/{order_id}/resolve", headers=bearer(made), json=body)
    assert answered.status_code == 401
    async with presshook.service.db.read() as session:
        assert (await session.scalars(select(Order.resolution))).one() is None
