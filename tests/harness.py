"""The service and the sandbox as they run, over real HTTP, within a test's event loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx
from sqlalchemy import func, select

from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.main import Service, create_app
from app.sandbox import SandboxConfig, create_sandbox
from app.secrets import Encryption
from app.server.embedded import serving
from app.server.listening import address, listen
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, SECRET_KEY, make_settings

T = TypeVar("T")

PATIENCE_SECONDS = 20
LOOK_SECONDS = 0.02
WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""What a client of plain HTTP is given: by default each client reads all authorities of the world anew."""
# Far longer than any test: with it, only a callback can have told.
NEVER_SECONDS = 10_000


async def eventually(
    look: Callable[[], Awaitable[T]],
    reached: Callable[[T], bool],
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> T:
    """Look until what is seen is what is waited for, and return it."""
    seen: list[T] = []
    try:
        async with asyncio.timeout(patience_seconds):
            while not (seen and reached(seen[0])):
                await asyncio.sleep(look_seconds if seen else 0)
                seen = [await look()]
    except TimeoutError:
        raise AssertionError(f"never seen; last: {seen}") from None
    return seen[0]


def second_after(moment: str) -> str:
    """Return the whole second after a moment, as a sentence tells it until when something goes on."""
    return f"{datetime.fromisoformat(moment) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Database]:
    """The database as one process has it."""
    database = Database(async_database_url(url), Encryption([SECRET_KEY]))
    try:
        yield database
    finally:
        await database.dispose()


async def waiting_for_locks(db: Database) -> int:
    """Return how many wait for a lock of any kind, on PostgreSQL."""
    async with db.read() as session:
        waiting = await (await session.connection()).exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return int(waiting.scalar_one())


@dataclass
class Presshook:
    """A running service and a client of it."""

    url: str
    client: httpx.AsyncClient
    service: Service

    async def order(self, name: str, *, wait: float = 10, **site: Any) -> httpx.Response:
        """Place an order."""
        body = {"site": {"name": name, "variant": "vanilla", **site}}
        return await self.client.post("/v1/orders", json=body, headers={"Prefer": f"wait={wait:.0f}"})

    async def order_among_others(self, name: str) -> str:
        """Place an order whose answer is lost between two that go well, so that a look-up can be proven."""
        assert (await self.order("Before")).status_code == 201
        order_id: str = (await self.order(name, wait=0)).json()["id"]
        await self.until(order_id, "unconfirmed")
        assert (await self.order("After")).status_code == 201
        return order_id

    async def show(self, order_id: str) -> dict[str, Any]:
        """Read an order."""
        answer = await self.client.get(f"/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def until(self, order_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until an order has one of the statuses."""
        return await eventually(lambda: self.show(order_id), lambda order: order["status"] in statuses)

    async def count_orders(self) -> int:
        """Return how many orders are stored."""
        async with self.service.db.read() as session:
            return (await session.execute(select(func.count(Order.id)))).scalar_one()


@dataclass
class Sandbox:
    """A running sandbox."""

    url: str
    client: httpx.AsyncClient

    async def orders(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the orders of a site's name."""
        params = {"site_name": name} if name else {}
        found: list[dict[str, Any]] = (await self.client.get("/sandbox/orders", params=params)).json()[
            "orders"
        ]
        return found

    async def requests(self, call: str) -> int:
        """Return how often an API call was made."""
        return int((await self.client.get("/sandbox/state")).json()["requests"].get(call, 0))

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """Use the control API."""
        return await self.client.post(f"/sandbox{path}", json=body)


@asynccontextmanager
async def run_sandbox(**config: Any) -> AsyncIterator[Sandbox]:
    """Run a sandbox on a free port."""
    values = {"accounts": {CLOUDPRESS_TOKEN: CLOUDPRESS_ACCOUNT}, "task_seconds": 0.1, "seed": 1, **config}
    app = create_sandbox(SandboxConfig(**values))
    async with (
        serving(app, listen("127.0.0.1", 0)) as url,
        httpx.AsyncClient(base_url=url, timeout=30, verify=WITHOUT_TLS) as client,
    ):
        yield Sandbox(url, client)


@asynccontextmanager
async def run_presshook(
    database_url: str,
    cloudpress_url: str,
    *,
    reconcile: bool = True,
    heartbeat_seconds: float = 15,
    **settings: Any,
) -> AsyncIterator[Presshook]:
    """Run a service on a free port."""
    listener = listen("127.0.0.1", 0)
    usual = {"callback_wait_seconds": NEVER_SECONDS, "public_url": address(listener)}
    service = Service(
        make_settings(database_url, cloudpress_base_url=cloudpress_url, **{**usual, **settings})
    )
    headers = {"Authorization": f"Bearer {API_KEY}"}
    if not reconcile:
        headers["Prefer"] = "wait=0"  # nobody is there who could bring about what an answer waits for
    app = create_app(service, reconcile=reconcile, heartbeat_seconds=heartbeat_seconds)
    async with (
        serving(app, listener) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60, verify=WITHOUT_TLS) as client,
    ):
        try:
            yield Presshook(url, client, service)
        finally:
            service.signals.stop()
