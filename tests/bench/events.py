"""Measures how soon events are told, and what open streams cost, on both databases: `make bench-events`.

- stream, webhook: from the beginning of the event's transaction (its `at`, so the commit is counted in) to
  the event being read from an open stream, and to the message having come in at an application.
- memory: what a thousand open streams add to the service's resident memory.
- to a thousand: from an event's `at` to the last of a thousand streams having it.
"""

import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from tests.bench.limits import resident_mb
from tests.databases import PostgresServer, SqliteFiles
from tests.e2e.conftest import answers, environment, free_url, installed, port_of
from tests.harness import eventually
from tests.receiver import LOCAL_NETWORKS, Receiver, run_receiver
from tests.settings import API_KEY

ORDERS = 50
STREAMS = 1000
OPENED_AT_ONCE = 50


@asynccontextmanager
async def open_stream(url: str) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream of milestones, with as little as a client can do."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(
        f"GET /v1/events?type=order.completed HTTP/1.1\r\nHost: {address.host}\r\n"
        f"Authorization: Bearer {API_KEY}\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    await reader.readuntil(b"retry: ")
    try:
        yield reader
    finally:
        writer.close()


async def next_event(reader: asyncio.StreamReader) -> tuple[float, dict[str, Any]]:
    """Return when the next event came, and the event."""
    while True:
        line = await reader.readline()
        if line.startswith(b"data: "):
            return time.time(), json.loads(line.removeprefix(b"data: "))


async def order(client: httpx.AsyncClient, sandbox: httpx.AsyncClient, number: int) -> None:
    """Have an order completed."""
    body = {"site": {"name": f"Bench {number} [payment-first]", "variant": "vanilla"}}
    placed = (await client.post("/v1/orders", json=body)).json()
    await sandbox.post(f"/sandbox/orders/{placed['cloudpress_order_id']}/finish", json={"status": "OK"})


async def told(application: Receiver, messages: int) -> None:
    """Wait until so many messages came in."""
    await eventually(application.count, lambda count: count >= messages)


def since(at: str, until: float) -> float:
    """Return the seconds from an event's time."""
    return until - datetime.fromisoformat(at).timestamp()


def shown(seconds: list[float]) -> str:
    """Return the median and the 95th percentile."""
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1000:.0f} ms ({ordered[int(len(ordered) * 0.95)] * 1000:.0f})"


async def measure(name: str, database_url: str, folder: Path, table: Table) -> None:
    """Add a row for a database."""
    url, sandbox_url = free_url(), free_url()
    env = environment(database_url, sandbox_url, PUBLIC_URL=url, WEBHOOK_ALLOWED_NETWORKS=LOCAL_NETWORKS)
    env |= {"CLOUDPRESS_API_TOKEN": "sandbox-token", "CLOUDPRESS_ACCOUNT_ID": "sandbox-account"}
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with ExitStack() as stack:
        stack.enter_context(installed("sandbox", "--port", port_of(sandbox_url), env=env, cwd=folder))
        process = stack.enter_context(installed("serve", "--port", port_of(url), env=env, cwd=folder))
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
            httpx.AsyncClient(base_url=sandbox_url, timeout=30) as sandbox,
            run_receiver() as application,
        ):
            await answers(sandbox, "/", 200)
            await answers(client, "/readyz", 200)
            hook = {"url": application.url, "event_types": ["order.completed"]}
            assert (await client.post("/v1/webhooks", json=hook)).status_code == 201
            streamed, hooked = [], []
            async with open_stream(url) as reader:
                for number in range(ORDERS):
                    await order(client, sandbox, number)
                    read_at, event = await next_event(reader)
                    await told(application, number + 1)
                    streamed.append(since(event["at"], read_at))
                    hooked.append(since(event["at"], application.messages[-1].at))
            before = resident_mb(process)
            async with AsyncExitStack() as streams:
                readers = []
                for _ in range(STREAMS // OPENED_AT_ONCE):
                    opening = [streams.enter_async_context(open_stream(url)) for _ in range(OPENED_AT_ONCE)]
                    readers += await asyncio.gather(*opening)
                idle_mb = resident_mb(process) - before
                reading = asyncio.gather(*(next_event(reader) for reader in readers))
                await order(client, sandbox, ORDERS)
                last_at, event = max(await reading, key=lambda seen: seen[0])
                used_mb = resident_mb(process) - before
        table.add_row(
            name,
            shown(streamed),
            shown(hooked),
            f"{idle_mb:.0f} MB ({used_mb:.0f} after an event)",
            f"{since(event['at'], last_at) * 1000:.0f} ms",
        )


async def main() -> None:
    """Measure on both databases."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8 * STREAMS), most))
    table = Table(
        "database", "to a stream (95 %)", "to a webhook (95 %)", f"{STREAMS} streams", f"to {STREAMS} streams"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with SqliteFiles(folder).migrated_url() as url:
            await measure("SQLite", url, folder, table)
        server = PostgresServer(folder)
        try:
            with server.migrated_url() as url:
                await measure("PostgreSQL", url, folder, table)
        finally:
            server.stop()
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
