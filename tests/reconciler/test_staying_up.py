"""Staying up: one poisoned order, a database that errs, a provider that is down, a process that is to end."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import schedule
from app.cloudpress import Answer, CloudPress, Connections, OrderDetails
from app.cloudpress.circuit_breaker import CircuitBreaker
from app.cloudpress.decorator import ProviderDecorator
from app.db.models import Order
from app.main import Service
from app.orders.intake import NewOrder, create_order
from app.queue import leases, worker
from app.reconciler import Reconciler
from app.reconciler.loop import ACCOUNT_CONCURRENCY
from app.states import OrderStatus
from tests.e2e.conftest import environment, free_url, port_of
from tests.harness import Sandbox, eventually, run_presshook, run_sandbox
from tests.reconciler.faults.proxy import run_proxy
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import Bench
from tests.settings import CLOUDPRESS_ACCOUNT, make_settings

T = TypeVar("T")
LEASE_SECONDS = 60
TIMEOUT_SECONDS = 2.0
# Longer than it takes all others to find out that somebody probes already, on any machine.
PROBE_SECONDS = 10.0
# As many as one account may have in flight.
ORDERS = ACCOUNT_CONCURRENCY


class OddCloudPress(ProviderDecorator):
    """A client on whose answers our code chokes, or that never answers: a real one cannot be made to."""

    def __init__(self) -> None:
        super().__init__(
            CloudPress(Connections(), "http://127.0.0.1:9", token="t", account_id="acct", timeout_seconds=1)
        )
        self.chokes = True
        self.asked = asyncio.Event()

    async def _through(self, operation: str, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        self.asked.set()
        if self.chokes:
            raise LookupError("s3cr3t")
        await asyncio.Event().wait()
        raise AssertionError(operation)


@dataclass
class Alone:
    """A reconciler that is moved by hand, and what it asks."""

    bench: Bench
    cloudpress: OddCloudPress


@pytest.fixture
async def alone(database_url: str) -> AsyncIterator[Alone]:
    cloudpress = OddCloudPress()
    bench = Bench(database_url, CircuitBreaker(cloudpress))
    yield Alone(bench, cloudpress)
    await bench.db.dispose()


@EVERY_LOOK
async def test_a_poisoned_order_is_put_off_later_and_later_and_says_why(alone: Alone) -> None:
    order_id = await alone.bench.store(OrderStatus.PROVISIONING)
    for failures in range(1, 6):
        [claim] = (await alone.bench.reconciler.claim(10)).claims
        await alone.bench.reconciler.work(claim)
        order = await alone.bench.read(order_id)
        assert (order.failures, order.lease_token, order.status) == (failures, None, OrderStatus.PROVISIONING)
        assert order.attention_code == "pass_broken"
        assert "LookupError" in (order.attention_detail or "")
        assert "s3cr3t" not in (order.attention_detail or "")
        assert order.due_at is not None
        shortest = timedelta(seconds=schedule.FIRST_RETRY_SECONDS * 2 ** (failures - 1))
        assert shortest <= order.due_at - alone.bench.clock.time <= shortest * (1 + schedule.RETRY_JITTER)
        alone.bench.clock.time = order.due_at
    told = [event.type for event in await alone.bench.events(order_id)]
    assert told.count("order.attention_started") == 1


@pytest.mark.usefixtures("retries_soon")
async def test_one_poisoned_order_does_not_hold_up_the_others(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_order = CloudPress.order
    poisoned: set[str] = set()

    async def choke(self: CloudPress, order_id: str, **options: Any) -> Answer[OrderDetails]:
        if order_id in poisoned:
            raise LookupError("s3cr3t")
        return await read_order(self, order_id, **options)

    monkeypatch.setattr(CloudPress, "order", choke)
    async with run_presshook(database_url, sandbox.url, callback_wait_seconds=0.1) as presshook:
        bad = (await presshook.order("Poisoned [payment-first]")).json()["id"]
        await presshook.until(bad, "awaiting_payment")
        [made] = await sandbox.orders()
        poisoned.add(made["id"])
        seen = await eventually(lambda: presshook.show(bad), lambda order: order["attention"] is not None)
        assert seen["attention"]["code"] == "pass_broken"
        good = [(await presshook.order(f"Good {number}")).json()["id"] for number in range(3)]
        for order_id in good:
            await presshook.until(order_id, "completed")
        assert (await presshook.show(bad))["status"] == "awaiting_payment"
        poisoned.clear()
        await sandbox.post(f"/orders/{made['id']}/pay")
        assert (await presshook.until(bad, "completed"))["attention"] is None


@dataclass
class Running:
    """A service without HTTP, and whether its reconciler has died."""

    service: Service
    dead: asyncio.Event


@asynccontextmanager
async def running(database_url: str, sandbox: Sandbox) -> AsyncIterator[Running]:
    settings = make_settings(database_url, cloudpress_base_url=sandbox.url, callback_wait_seconds=0.1)
    it = Running(Service(settings), asyncio.Event())
    async with it.service.run(reconcile=True, on_death=it.dead.set):
        yield it


async def order_of(it: Running) -> UUID:
    new = NewOrder(CLOUDPRESS_ACCOUNT, "Site [callback-lost]", "vanilla", None, None, None, {})
    return (await create_order(it.service.db, new, None)).id


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(lambda: OperationalError("", {}, Exception("gone")), id="away"),
        pytest.param(lambda: ProgrammingError("", {}, Exception("wrong")), id="wrong"),
        pytest.param(lambda: PoolTimeout("no connection to spare"), id="no connection"),
    ],
)
async def test_a_database_error_never_ends_the_loop(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0.01)
    claim, errs, tried = Reconciler.claim, [True], [0]

    async def failing(self: Reconciler, limit: int) -> Any:
        tried[0] += 1
        if errs[0]:
            raise error()
        return await claim(self, limit)

    monkeypatch.setattr(Reconciler, "claim", failing)

    async def tries() -> int:
        return tried[0]

    async with running(database_url, sandbox) as it:
        order_id = await order_of(it)
        await eventually(tries, lambda count: count > 5)
        assert not it.dead.is_set()
        errs[0] = False
        await eventually(lambda: status_of(it, order_id), lambda seen: seen is OrderStatus.COMPLETED)
        assert not it.dead.is_set()


async def status_of(it: Running, order_id: UUID) -> OrderStatus:
    async with it.service.db.read() as session:
        return OrderStatus((await session.get_one(Order, order_id)).status)


async def test_whatever_else_escapes_the_loop_is_told(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def escape(_self: Reconciler, _limit: int) -> Any:
        raise LookupError("s3cr3t")

    monkeypatch.setattr(Reconciler, "claim", escape)
    async with running(database_url, sandbox) as it, asyncio.timeout(20):
        await it.dead.wait()
    assert it.dead.is_set()


ESCAPE = """
from app.cli import main
from app.reconciler import Reconciler

async def claim(self, limit):
    raise LookupError("s3cr3t")

Reconciler.claim = claim
main()
"""


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_reconciler_that_dies_takes_its_process_along(
    database_url: str, tmp_path: Path, command: str
) -> None:
    port = ["--port", port_of(free_url())] if command == "serve" else []
    ended = subprocess.run(
        [sys.executable, "-c", ESCAPE, command, *port],
        env=environment(database_url),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1, ended.stderr
    assert "reconciler_died" in ended.stderr
    assert "s3cr3t" not in ended.stderr


async def test_an_order_whose_holder_died_is_taken_over_and_the_timeline_says_so(alone: Alone) -> None:
    order_id = await alone.bench.store(OrderStatus.PROVISIONING)
    async with alone.bench.db.write() as tx:
        [died] = (await leases.claim(tx, Order, limit=1, lease_seconds=LEASE_SECONDS)).claims
    assert died.row.id == order_id
    assert "order.lease_taken_over" not in [event.type for event in await alone.bench.events(order_id)]
    alone.bench.clock.time += timedelta(seconds=LEASE_SECONDS - 1)
    assert (await alone.bench.reconciler.claim(10)).claims == ()
    alone.bench.clock.time += timedelta(seconds=1)
    [claim] = (await alone.bench.reconciler.claim(10)).claims
    assert (claim.row.id, claim.was_cut_off) == (order_id, True)
    told = [event for event in await alone.bench.events(order_id) if event.type == "order.lease_taken_over"]
    assert [event.data["status"] for event in told] == ["provisioning"]


async def test_a_provider_that_is_down_costs_one_probe(database_url: str) -> None:
    async with (
        run_sandbox(task_seconds=3600) as sandbox,
        run_proxy(sandbox.url) as proxy,
        run_presshook(
            database_url, proxy.url, upstream_timeout_seconds=PROBE_SECONDS, reconcile=False
        ) as presshook,
    ):
        reconciler = Reconciler(
            presshook.service.dependencies,
            presshook.service.signals,
        )

        async def passes(limit: int) -> None:
            claims = (await reconciler.claim(limit)).claims
            await asyncio.gather(*(reconciler.work(claim) for claim in claims))

        async def make_all_due() -> None:
            for order_id in ids:
                await presshook.client.post(f"/v1/orders/{order_id}/refresh")

        ids = [(await presshook.order(f"Site {n}", wait=0)).json()["id"] for n in range(ORDERS)]
        await passes(ORDERS)
        assert [(await presshook.show(order_id))["status"] for order_id in ids] == ["provisioning"] * ORDERS
        proxy.spoil("order", "reset before")
        await make_all_due()
        await passes(1)
        before = proxy.spoilt["order"]
        assert before >= 1
        proxy.spoil("order", "timeout before")
        await make_all_due()
        await passes(ORDERS)
        assert proxy.spoilt["order"] == before + 1, "one probe for all of them"
        async with presshook.service.db.read() as session:
            orders = list(await session.scalars(select(Order)))
        assert all(order.failures >= 1 for order in orders)
        assert len({order.due_at for order in orders}) == len(orders), "they do not come back all at once"
        proxy.heal("order")
        before = proxy.seen["order"]
        await make_all_due()
        await passes(1)
        await passes(ORDERS)
        assert proxy.seen["order"] == before + ORDERS, "once it answers, every order is asked for"


@pytest.mark.parametrize("status", [OrderStatus.PROVISIONING, OrderStatus.UNCONFIRMED])
async def test_a_pass_cut_short_by_the_shutdown_gives_its_order_back(
    alone: Alone, status: OrderStatus
) -> None:
    order = await _cut_short(alone, status)
    assert order.status == status
    assert order.lease_token is None, "nobody has to wait until the lease runs out"
    assert order.due_at is not None
    assert order.due_at <= alone.bench.clock.time


async def test_an_order_that_was_being_sent_at_the_shutdown_is_looked_for(alone: Alone) -> None:
    order = await _cut_short(alone, OrderStatus.PENDING)
    assert (order.status, order.lease_token) == (OrderStatus.UNCONFIRMED, None)


async def _cut_short(alone: Alone, status: OrderStatus) -> Order:
    """End the reconciler while a pass waits for an answer that never comes."""
    alone.cloudpress.chokes = False
    order_id = await alone.bench.store(status)
    ending = asyncio.create_task(alone.bench.reconciler.run(grace_seconds=0.05))
    await alone.cloudpress.asked.wait()
    assert (await alone.bench.read(order_id)).lease_token is not None
    alone.bench.signals.stop()
    async with asyncio.timeout(20):
        await ending
    return await alone.bench.read(order_id)
