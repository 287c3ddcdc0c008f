"""A browser's side of the pages: what it keeps, and where it says that it comes from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app.dashboard.routes import order
from app.db.models import Order
from app.events.timeline import Actor
from app.keys.changing import make_key
from app.keys.grants import NewKey
from app.main import Service, create_app
from app.states import OrderStatus
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, make_settings

HERE = "http://127.0.0.1:8000"
OURS = {"Origin": HERE}


@asynccontextmanager
async def browser_of(
    service: Service, *, url: str = HERE, key: str | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that keeps cookies, signed in with a key if one is given."""
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=url, headers={"Origin": url}) as browser:
        if key is not None:
            answer = await browser.post("/ui/sign-in", data={"key": key})
            assert answer.status_code == 303, answer.text
        yield browser


@pytest.fixture
async def service(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """A service whose reconciler does not run: no button waits for what it would do."""
    monkeypatch.setattr(order, "WAIT", "wait=0")
    service = Service(make_settings(database_url))
    async with service.run(reconcile=False, on_death=lambda: None):
        yield service


@pytest.fixture
async def browser(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has signed in with the environment's key."""
    async with browser_of(service, key=API_KEY) as browser:
        yield browser


@dataclass(frozen=True)
class Key:
    """A key, and its id."""

    id: UUID
    key: str


async def new_key(service: Service, *scopes: str, account: str | None = None, name: str = "a key") -> Key:
    """Make a key."""
    accounts = None if account is None else (account,)
    made = await make_key(service.db, NewKey(name, scopes, accounts), by=Actor("tests"))
    return Key(made.stored.id, made.key)


async def stored_order(service: Service, name: str = "Rosa's Bakery", **values: object) -> UUID:
    """Store an order as it stands."""
    async with service.db.write() as tx:
        given = {
            "status": OrderStatus.PENDING,
            "account_id": CLOUDPRESS_ACCOUNT,
            "client_metadata": {},
            **values,
        }
        stored = Order(
            id=uuid7(),
            site_name=name,
            variant="vanilla",
            created_at=tx.now,
            updated_at=tx.now,
            due_at=tx.now,
            **given,
        )
        tx.session.add(stored)
    return stored.id


def moment(hour: int) -> datetime:
    """Return a time of a day."""
    return datetime(2026, 11, 26, hour, tzinfo=UTC)
