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
from contextlib import ExitStack
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from tests.bench.jobs import Call, Job, peer, whole_job
from tests.databases import PostgresServer, SqliteFiles
from tests.e2e.conftest import answers, environment, free_url, installed, port_of

ROOT = Path(__file__).parents[2]
SECONDS = 4.0
GOALS = {
    "callbacks, 64 connections": (0.7, True),
    "callbacks, 256 connections": (1.0, True),
    "forged, 64 connections": (2.0, True),
    "whole orders a second": (1.5, True),
    "processor time of an order": (0.8, False),
}
"""What each ratio should be, and whether it should be no less (or no more)."""


def per_second(url: str, calls: list[Call], connections: int) -> float:
    """Return how many calls a second are answered."""
    lines = "".join("\t".join(call) + "\n" for call in calls)
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.load", url, str(connections), str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["per_second"])


async def measure(database_url: str, own_url: str, folder: Path) -> dict[str, float]:
    """Return the ratios on a database; the afternoon's script has one of its own."""
    ratios: dict[str, float] = {}
    jobs: dict[str, Job] = {}
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
            jobs[name] = await whole_job([url], cloudpress_url, [process])
            if name == "afternoon":
                continue
            stack.enter_context(peer("framework", framework_url, env))
            async with httpx.AsyncClient(base_url=framework_url) as client:
                await answers(client, "/readyz", 200)
            calls = jobs[name].callbacks
            right = [("/v1/callbacks/any", "Bearer expected", "{}")]
            forged = [(path, "Bearer " + "x" * 43, body) for path, _, body in calls]
            storms = (("callbacks", calls, 64), ("callbacks", calls, 256), ("forged", forged, 64))
            for what, sent, connections in storms:
                limit = per_second(framework_url, right, connections)
                ratios[f"{what}, {connections} connections"] = per_second(url, sent, connections) / limit
    ours, scripts = jobs["presshook"], jobs["afternoon"]
    ratios["whole orders a second"] = ours.a_second / scripts.a_second
    ratios["processor time of an order"] = ours.cpu_seconds / scripts.cpu_seconds
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
