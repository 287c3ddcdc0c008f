"""Measures what the limits are about, with the installed program on both databases: `make bench`.

- latency: from the 204 that a callback is answered with to the order being completed, and how much of it
  CloudPress's own three answers take.
- ready: from the start of `presshook serve` to `/readyz` answering 200.
- idle: share of a core, and resident memory, of a service with nothing to do.
"""

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from tests.databases import PostgresServer, SqliteFiles
from tests.e2e.conftest import answers, environment, free_url, installed, port_of
from tests.harness import eventually
from tests.settings import API_KEY

ORDERS = 50
IDLE_SECONDS = 20
SETTLE_SECONDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


async def latency_seconds(
    client: httpx.AsyncClient, sandbox: httpx.AsyncClient, log: Path, number: int
) -> float:
    """Return how long after its callback's 204 an order is completed, by the line that the pass logs."""
    site = {"name": f"Bench {number} [payment-first]", "variant": "vanilla"}
    order = (await client.post("/v1/orders", json={"site": site})).json()
    await sandbox.post(f"/sandbox/orders/{order['cloudpress_order_id']}/finish", json={"status": "OK"})

    async def completed_at() -> datetime | None:
        for line in reversed(log.read_text().splitlines()):
            entry = json.loads(line)
            if entry.get("order") == order["id"] and entry.get("after") == "completed":
                return datetime.fromisoformat(entry["timestamp"])
        return None

    at = await eventually(completed_at, lambda seen: seen is not None)
    assert at is not None
    [shown] = (await sandbox.get("/sandbox/orders", params={"site_name": site["name"]})).json()["orders"]
    return (at - datetime.fromisoformat(shown["callbacks"][0]["at"])).total_seconds()


async def answers_seconds(sandbox: httpx.AsyncClient) -> float:
    """Return how long the sandbox takes for the three answers that a pass asks for."""
    headers = {"Authorization": "Token sandbox-token", "X-Auth-Account": "sandbox-account"}
    [order, *_] = (await sandbox.get("/sandbox/orders")).json()["orders"]
    paths = (f"orders/{order['id']}", f"tasks/{order['task']['id']}", f"sites/{order['site_id']}")
    taken = []
    for _ in range(ORDERS):
        began = time.monotonic()
        for path in paths:
            assert (await sandbox.get(f"/api/{path}", headers=headers)).status_code == 200
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Return the processor time that a process has used."""
    return sum(_ticks(process.pid)[:2]) / TICKS


def cpu_seconds_with_children(pid: int) -> float:
    """Return the processor time of a process and of its children, those that have ended as well."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (sum(_ticks(pid)) + sum(sum(_ticks(int(child))[:2]) for child in children)) / TICKS


def _ticks(pid: int) -> tuple[int, ...]:
    """Return a process's time in its own code and in the system's, and that of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return tuple(map(int, fields[11:15]))


def resident_mb(process: subprocess.Popen[str]) -> float:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def measure(name: str, database_url: str, folder: Path, table: Table) -> None:
    """Add a row for a database."""
    url, sandbox_url = free_url(), free_url()
    env = environment(database_url, sandbox_url, PUBLIC_URL=url)
    env |= {"CLOUDPRESS_API_TOKEN": "sandbox-token", "CLOUDPRESS_ACCOUNT_ID": "sandbox-account"}
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with ExitStack() as stack:
        stack.enter_context(installed("sandbox", "--port", port_of(sandbox_url), env=env, cwd=folder))
        async with (
            httpx.AsyncClient(base_url=url, headers=headers) as client,
            httpx.AsyncClient(base_url=sandbox_url) as sandbox,
        ):
            await answers(sandbox, "/", 200)
            began = time.monotonic()
            (folder / "serve.log").unlink(missing_ok=True)
            process = stack.enter_context(installed("serve", "--port", port_of(url), env=env, cwd=folder))
            await answers(client, "/readyz", 200)
            ready = time.monotonic() - began
            log = folder / "serve.log"
            latencies = [await latency_seconds(client, sandbox, log, number) for number in range(ORDERS)]
            cloudpress = await answers_seconds(sandbox)
            await asyncio.sleep(SETTLE_SECONDS)
            used = cpu_seconds(process)
            await asyncio.sleep(IDLE_SECONDS)
            idle = (cpu_seconds(process) - used) / IDLE_SECONDS
            table.add_row(
                name,
                f"{statistics.median(latencies) * 1000:.0f} ms",
                f"{sorted(latencies)[int(ORDERS * 0.95)] * 1000:.0f} ms",
                f"{cloudpress * 1000:.0f} ms",
                f"{ready:.2f} s",
                f"{idle:.2%}",
                f"{resident_mb(process):.0f} MB",
            )


async def main() -> None:
    """Measure on both databases."""
    table = Table(
        "database", "callback to completed", "95 %", "of it CloudPress", "ready", "idle", "resident"
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
