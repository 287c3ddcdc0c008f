"""Measures the installed service beside its peers (`peers/`), on both databases: `make bench-peers`.

- *callbacks*: right ones answered a second, at 64 and 256 connections, as a share of the framework's alone;
- *forged*: the same of refused ones;
- *job*: whole orders a second (accepted, placed, called back, fetched, completed), and the processor time of
  one, as multiples of those of the script that one would write in an afternoon.

All of it runs on this machine at once, so the ratios count and the numbers do not.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from tests.bench.limits import cpu_seconds
from tests.databases import PostgresServer, SqliteFiles
from tests.e2e.conftest import answers, environment, free_url, installed, port_of
from tests.harness import eventually
from tests.settings import API_KEY

ROOT = Path(__file__).parents[2]
ORDERS = 500
AT_ONCE = 64
SECONDS = 4.0
GOALS = {
    "callbacks, 64 connections": (0.7, True),
    "callbacks, 256 connections": (1.0, True),
    "forged, 64 connections": (2.0, True),
    "whole orders a second": (1.5, True),
    "processor time of an order": (0.8, False),
}
"""What each ratio should be, and whether it should be no less (or no more)."""

Call = tuple[str, str, str]
"""Path, `Authorization` and body."""


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


def per_second(url: str, calls: list[Call], connections: int) -> float:
    """Return how many calls a second are answered."""
    lines = "".join("\t".join(call) + "\n" for call in calls)
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.load", url, str(connections), str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["per_second"])


async def send_all(client: httpx.AsyncClient, calls: list[Call]) -> None:
    """Make all calls, many at a time."""
    left = iter(calls)

    async def some() -> None:
        for path, authorization, body in left:
            headers = {"Authorization": authorization, "Content-Type": "application/json", "Prefer": "wait=0"}
            (await client.post(path, content=body, headers=headers)).raise_for_status()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def is_any_left(client: httpx.AsyncClient) -> bool:
    """Tell whether an order is not done."""
    return bool((await client.get("/v1/orders", params={"status": "provisioning"})).json()["data"])


async def whole_job(
    url: str, cloudpress_url: str, process: subprocess.Popen[str]
) -> tuple[float, float, list[Call]]:
    """Return whole orders a second, the processor's seconds for each, and their callbacks."""
    key = f"Bearer {API_KEY}"
    async with (
        httpx.AsyncClient(base_url=url, timeout=120, headers={"Authorization": key}) as client,
        httpx.AsyncClient(base_url=cloudpress_url, timeout=120) as cloudpress,
    ):
        used, began = cpu_seconds(process), time.monotonic()
        orders = [{"site": {"name": f"Site {number}", "variant": "vanilla"}} for number in range(ORDERS)]
        await send_all(client, [("/v1/orders", key, json.dumps(order)) for order in orders])
        told: list[list[str]] = []
        while len(told) < ORDERS:
            await asyncio.sleep(0.05)
            told = (await cloudpress.get("/told")).json()
        placed = time.monotonic() - began
        await cloudpress.post("/end")
        calls = [
            (address.removeprefix(url), value, json.dumps({"task": {"id": task, "status": "OK"}}))
            for address, value, task in told
        ]
        began = time.monotonic()
        await send_all(client, calls)
        await eventually(partial(is_any_left, client), lambda left: not left, patience_seconds=300)
        seconds = placed + time.monotonic() - began
        return ORDERS / seconds, (cpu_seconds(process) - used) / ORDERS, calls


async def measure(database_url: str, own_url: str, folder: Path) -> dict[str, float]:
    """Return the ratios on a database; the afternoon's script has one of its own."""
    ratios: dict[str, float] = {}
    jobs = {}
    for name, database in (("afternoon", own_url), ("presshook", database_url)):
        url, cloudpress_url, framework_url = free_url(), free_url(), free_url()
        env = environment(database, cloudpress_url, PUBLIC_URL=url, CALLBACK_WAIT_SECONDS="36000")
        with ExitStack() as stack:
            stack.enter_context(peer("cloudpress", cloudpress_url, env))
            if name == "afternoon":
                process = stack.enter_context(peer("afternoon", url, env))
            else:
                process = stack.enter_context(installed("serve", "--port", port_of(url), env=env, cwd=folder))
            async with httpx.AsyncClient(base_url=url) as client:
                await answers(client, "/readyz", 200)
            *jobs[name], calls = await whole_job(url, cloudpress_url, process)
            if name == "afternoon":
                continue
            stack.enter_context(peer("framework", framework_url, env))
            async with httpx.AsyncClient(base_url=framework_url) as client:
                await answers(client, "/readyz", 200)
            right = [("/v1/callbacks/any", "Bearer expected", "{}")]
            forged = [(path, "Bearer " + "x" * 43, body) for path, _, body in calls]
            storms = (("callbacks", calls, 64), ("callbacks", calls, 256), ("forged", forged, 64))
            for what, sent, connections in storms:
                limit = per_second(framework_url, right, connections)
                ratios[f"{what}, {connections} connections"] = per_second(url, sent, connections) / limit
    (fast, cheap), (script_fast, script_cheap) = jobs["presshook"], jobs["afternoon"]
    ratios["whole orders a second"] = fast / script_fast
    ratios["processor time of an order"] = cheap / script_cheap
    return ratios


async def main() -> None:
    """Measure on both databases."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = SqliteFiles(folder)
        with files.migrated_url() as url:
            found["SQLite"] = await measure(url, files.empty_url(), folder)
        server = PostgresServer(folder)
        try:
            with server.migrated_url() as url, server.empty_url() as own:
                found["PostgreSQL"] = await measure(url, own, folder)
        finally:
            server.stop()
    table = Table("as a multiple of the peer's", *found, "goal")
    for name, (goal, is_least) in GOALS.items():
        ratios = [f"{ratios[name]:.2f}" for ratios in found.values()]
        table.add_row(name, *ratios, f"{'≥' if is_least else '≤'} {goal}")
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
