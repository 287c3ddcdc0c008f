"""What was read while its key ended is told to nobody, whatever was waited for and at whatever address."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.api import admission, auth
from app.api.context import CannotAsk
from app.dashboard import sessions
from app.db.database import Database
from app.db.models import Order
from app.keys.authentication import authenticate, authenticate_digest
from app.keys.changing import MadeKey, make_key, revoke_key
from app.keys.grants import Grant, NewKey, Scope
from app.main import Service
from app.orders.intake import OrderIntake
from tests.api.conftest import client_of
from tests.dashboard.conftest import browser_of
from tests.ended_keys import ACTOR

NOTHING = "01890000-0000-7000-8000-000000000000"
PAGES = ("/ui", "/ui/orders", f"/ui/orders/{NOTHING}", "/ui/orphans", "/ui/webhooks", "/ui/accounts",
         "/ui/keys", "/ui/doctor", "/ui/live", "/ui/audit")  # fmt: skip
ENDED = (303, "/ui/sign-in?why=ended")


async def make(service: Service) -> MadeKey:
    return await make_key(service.db, NewKey("shop", tuple(Scope)), by=ACTOR)


def bearer(made: MadeKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {made.key}"}


def ending(service: Service, made: MadeKey, look: Any = None) -> Callable[..., Any]:
    """Return what ends a key once it was looked at and let in by `look`, or where it is called."""

    async def ends(*arguments: Any, **_options: Any) -> Grant | None:
        grant = await look(*arguments) if look is not None else None
        await revoke_key(service.db, made.stored.id, by=ACTOR)
        return grant

    return ends


def reads(document: dict[str, Any]) -> list[str]:
    """Return every address that is read by a key."""
    return [
        path
        for path, operations in document["paths"].items()
        if "get" in operations and auth.is_guarded(path)
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_address_tells_what_took_long_to_a_key_that_has_ended(
    service: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with client_of(service) as client:
        addresses = reads((await client.get("/openapi.json")).json())
        assert len(addresses) >= 15
        monkeypatch.setattr(admission, "MOMENT_SECONDS", 0.0)  # all of it takes longer
        for path in addresses:
            made = await make(service)
            monkeypatch.setattr(auth, "authenticate", ending(service, made, authenticate))
            while "{" in path:
                path = f"{path.partition('{')[0]}{NOTHING}{path.partition('}')[2]}"  # noqa: PLW2901
            answered = await client.request(method, path, headers=bearer(made))
            assert answered.status_code == 401, f"{path}: {answered.text}"
            assert answered.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_shows_what_took_long_to_a_key_that_has_ended(
    service: Service, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    made = await make(service)
    async with browser_of(service, key=made.key) as browser:
        monkeypatch.setattr(admission, "MOMENT_SECONDS", 0.0)
        monkeypatch.setattr(sessions, "authenticate_digest", ending(service, made, authenticate_digest))
        answered = await browser.get(path)
        assert answered.status_code == 303
        assert answered.headers["location"].startswith("/ui/sign-in?why=ended")
        assert not browser.cookies


async def test_what_is_read_in_a_moment_is_looked_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look would cost each read a statement, and tell nothing that the first has not."""
    made = await make(service)
    asked: list[str] = []

    async def counted(db: Database, presented: str) -> Grant:
        asked.append(presented)
        return await authenticate(db, presented)

    monkeypatch.setattr(admission, "MOMENT_SECONDS", 3600.0)
    monkeypatch.setattr(auth, "authenticate", counted)
    async with client_of(service) as client:
        assert (await client.get("/v1/orders", headers=bearer(made))).status_code == 200
    assert asked == [made.key]


async def test_what_was_done_is_told_however_long_it_took(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)
    monkeypatch.setattr(admission, "MOMENT_SECONDS", 0.0)
    create, end = OrderIntake.create, ending(service, made)

    async def creates(*arguments: Any) -> Order:
        order = await create(*arguments)
        await end()
        return order

    monkeypatch.setattr(OrderIntake, "create", creates)
    body = {"site": {"name": "Done", "variant": "vanilla"}}
    async with client_of(service) as client:
        answered = await client.post("/v1/orders", headers={**bearer(made), "Prefer": "wait=0"}, json=body)
    assert answered.status_code == 202


async def test_why_cloudpress_could_not_be_asked_is_told_to_no_key_that_has_ended(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)
    end = ending(service, made)

    async def refuses(*_arguments: object) -> None:
        await end()
        raise CannotAsk("CloudPress refuses the account's token.")

    monkeypatch.setattr("app.main._Checks.catalog", refuses)
    async with client_of(service) as client:
        answered = await client.get("/v1/catalog", headers=bearer(made))
    assert answered.status_code == 401
    assert "refuses" not in answered.text


async def test_what_the_checks_find_is_told_to_no_key_that_ended_while_they_ran(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)
    monkeypatch.setattr("app.maintenance.doctor.repeating.Repeating.round", ending(service, made))
    async with client_of(service) as client:
        assert (await client.post("/v1/checks/run", headers=bearer(made))).status_code == 401


async def test_who_has_the_checks_run_and_is_signed_out_meanwhile_is_told_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)
    monkeypatch.setattr("app.maintenance.doctor.repeating.Repeating.round", ending(service, made))
    async with browser_of(service, key=made.key) as browser:
        answered: httpx.Response = await browser.post("/ui/doctor/run")
        assert (answered.status_code, answered.headers["location"]) == ENDED


async def test_why_a_token_is_not_stored_is_told_to_no_key_that_has_ended(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was done, so that there is nothing but CloudPress's answer to tell."""
    made = await make(service)
    end = ending(service, made)

    async def refuses(*_arguments: object) -> str:
        await end()
        return "CloudPress answered 403"

    monkeypatch.setattr("app.main._Checks.refusal_of_token", refuses)
    async with client_of(service) as client:
        answered = await client.put("/v1/accounts/other", headers=bearer(made), json={"token": "t0ken"})
    assert answered.status_code == 401, answered.text


async def test_a_page_that_listens_is_told_of_the_end_as_at_any_other_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make(service)
    async with browser_of(service, key=made.key) as browser:
        monkeypatch.setattr(admission, "MOMENT_SECONDS", 0.0)
        monkeypatch.setattr(sessions, "authenticate_digest", ending(service, made, authenticate_digest))
        answered = await browser.get("/ui/stream", headers={"Accept": "text/event-stream"})
    assert answered.status_code == 401, answered.headers.get("location")
