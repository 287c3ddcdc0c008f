"""Whole orders in any number, at services that run beside a CloudPress that costs next to nothing."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tests.bench.limits import cpu_seconds
from tests.e2e.conftest import port_of
from tests.harness import eventually
from tests.settings import API_KEY

ROOT = Path(__file__).parents[2]
ORDERS = 500
AT_ONCE = 64
KEY = f"Bearer {API_KEY}"

Call = tuple[str, str, str]
"""Path, `Authorization` and body."""


@dataclass(frozen=True)
class Job:
    """Orders that were accepted, placed, called back, fetched and completed."""

    a_second: float
    """How many orders that were a second."""
    cpu_seconds: float
    """Processor time of an order, of all services together."""
    callbacks: list[Call]
    """How each was called back."""


@contextmanager
def peer(name: str, url: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a peer while the block runs, as one would run it."""
    command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "--no-access-log", "--log-level", "error"]
    arguments = ["--port", port_of(url), f"tests.bench.peers.{name}:app"]
    process = subprocess.Popen([*command, *arguments], cwd=ROOT, env=dict(env), text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def order_call(name: str, account_id: str | None = None) -> Call:
    """Return the call that orders a site, by default for the default account."""
    body = {
        "site": {"name": name, "variant": "vanilla"},
        **({"account_id": account_id} if account_id else {}),
    }
    return "/v1/orders", KEY, json.dumps(body)


def callback_call(address: str, authorization: str, task: int) -> Call:
    """Return the call by which CloudPress tells that a task has ended."""
    path = httpx.URL(address).path
    return path, authorization, json.dumps({"task": {"id": task, "status": "OK"}})


async def send(client: httpx.AsyncClient, call: Call, *, wait: int = 0) -> httpx.Response:
    """Make a call, which may wait so many seconds for more than its acceptance."""
    path, authorization, body = call
    headers = {"Authorization": authorization, "Content-Type": "application/json", "Prefer": f"wait={wait}"}
    return (await client.post(path, content=body, headers=headers)).raise_for_status()


async def send_all(
    clients: Sequence[httpx.AsyncClient], calls: Sequence[Call], *, at_once: int = AT_ONCE
) -> list[httpx.Response]:
    """Make all calls, so many at a time, each of the clients as many as the others; return the answers."""
    left = iter(calls)
    answered = []

    async def some(client: httpx.AsyncClient) -> None:
        for call in left:
            answered.append(await send(client, call))  # noqa: PERF401 - as many share what is left

    await asyncio.gather(*(some(clients[number % len(clients)]) for number in range(at_once)))
    return answered


async def is_any_left(client: httpx.AsyncClient) -> bool:
    """Tell whether an order is not done."""
    return bool((await client.get("/v1/orders", params={"status": "provisioning"})).json()["data"])


async def whole_job(
    urls: Sequence[str],
    cloudpress_url: str,
    processes: Sequence[subprocess.Popen[str]],
    *,
    orders: int = ORDERS,
    at_once: int = AT_ONCE,
) -> Job:
    """Have orders live their lives at services that share a database, each taking its share of all calls."""

    def used() -> float:
        return sum(map(cpu_seconds, processes))

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, timeout=120, headers={"Authorization": KEY})
            )
            for url in urls
        ]
        cloudpress = await stack.enter_async_context(httpx.AsyncClient(base_url=cloudpress_url, timeout=120))
        told_before = len((await cloudpress.get("/told")).json())
        used_before, began = used(), time.monotonic()
        await send_all(clients, [order_call(f"Site {number}") for number in range(orders)], at_once=at_once)
        told: list[tuple[str, str, int]] = []
        while len(told) < orders:
            await asyncio.sleep(0.05)
            told = (await cloudpress.get("/told")).json()[told_before:]
        placed = time.monotonic() - began
        await cloudpress.post("/end")
        calls = [callback_call(*each) for each in told]
        began = time.monotonic()
        await send_all(clients, calls, at_once=at_once)
        left = partial(is_any_left, clients[0])
        await eventually(left, lambda is_left: not is_left, patience_seconds=300)
        seconds = placed + time.monotonic() - began
        return Job(orders / seconds, (used() - used_before) / orders, calls)
