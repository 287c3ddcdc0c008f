"""`make bench-replicas`: what an order costs where one, two and four replicas share one PostgreSQL.

Each replica is a whole `presshook serve`, and clients and CloudPress's callbacks come to all of them in
turns: as many at once as to one replica, and as many for each replica. Each number has its turn in each
round, and is compared with one replica in the same: the machine differs from one minute to the next.

That no order is worked on twice is seen from outside: CloudPress was asked for nothing that a single replica
would not have asked for, and no pass was made beyond the two that an order needs, or without its lease.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from tests.bench.jobs import AT_ONCE, KEY, ORDERS, Job, peer, whole_job
from tests.bench.limits import cpu_seconds_with_children
from tests.databases import PostgresServer
from tests.e2e.conftest import answers, environment, free_url, installed, port_of

REPLICAS = (1, 2, 4)
ROUNDS = 3
WARM_UP = 200
LIMIT = 1.2
NEEDED = ("POST orders", "GET orders", "GET tasks", "GET sites")
"""What an order needs of CloudPress, once each."""
PASSES = 2
"""How many passes an order needs: one places it, one finds it completed."""


@dataclass(frozen=True)
class Run:
    """One job, done by some replicas."""

    job: Job
    database_cpu_seconds: float
    """The server's processor time of an order."""


@dataclass
class Done:
    """What some replicas have done in all rounds."""

    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    """By how many clients there were at once."""
    orders: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    """What CloudPress was asked for."""
    passes: Counter[str] = field(default_factory=Counter)
    """How many passes of each action there were."""

    @property
    def is_each_worked_on_once(self) -> bool:
        """Tell whether nothing was done for an order that one replica alone would not have done."""
        asked = all(self.requests[what] == self.orders for what in NEEDED)
        return asked and self.passes.total() == PASSES * self.orders and not self.passes["lost"]


async def count_passes(urls: Sequence[str]) -> Counter[str]:
    """Return how many passes all replicas have made, by what they did."""
    passes: Counter[str] = Counter()
    for url in urls:
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": KEY}) as client:
            told = (await client.get("/metrics")).raise_for_status().text
        for family in text_string_to_metric_families(told):
            for sample in family.samples:
                if sample.name == "presshook_passes_total":
                    passes[sample.labels["action"]] += int(sample.value)
    return passes


async def one_round(server: PostgresServer, replicas: int, folder: Path, done: Done) -> None:
    """Have jobs done by fresh replicas on a fresh database, once they have done one that does not count."""
    urls, cloudpress_url = [free_url() for _ in range(replicas)], free_url()
    with ExitStack() as stack:
        database_url = stack.enter_context(server.migrated_url())
        env = environment(database_url, cloudpress_url, PUBLIC_URL=urls[0], CALLBACK_WAIT_SECONDS="36000")
        stack.enter_context(peer("cloudpress", cloudpress_url, env))
        processes = [
            stack.enter_context(installed("serve", "--port", port_of(url), env=env, cwd=folder))
            for url in urls
        ]
        for url in urls:
            async with httpx.AsyncClient(base_url=url) as client:
                await answers(client, "/readyz", 200, patience_seconds=60)
        await whole_job(urls, cloudpress_url, processes, orders=WARM_UP)
        done.orders += WARM_UP
        for at_once in dict.fromkeys((AT_ONCE, AT_ONCE * replicas)):
            used = cpu_seconds_with_children(server.pid)
            job = await whole_job(urls, cloudpress_url, processes, at_once=at_once)
            used = cpu_seconds_with_children(server.pid) - used
            done.runs[at_once].append(Run(job, used / ORDERS))
            done.orders += ORDERS
            print(
                f"{replicas} replicas, {at_once} at once: {job.a_second:.0f} a second, "
                f"{job.cpu_seconds * 1000:.2f} ms and PostgreSQL's {used / ORDERS * 1000:.2f} ms an order",
                flush=True,
            )
        async with httpx.AsyncClient(base_url=cloudpress_url) as client:
            done.requests.update((await client.get("/asked")).json()["requests"])
        done.passes.update(await count_passes(urls))


def show(found: dict[int, Done]) -> float:
    """Print a row for each number of replicas and of clients; return the worst ratio of processor time."""
    table = Table("replicas", "clients", "a second", "ms an order", "of one's", "PostgreSQL's", "of one's")
    ones = found[1].runs[AT_ONCE]
    worst = 0.0
    for replicas, done in found.items():
        for at_once, runs in done.runs.items():
            pairs = list(zip(runs, ones, strict=True))
            ratios = sorted(it.job.cpu_seconds / one.job.cpu_seconds for it, one in pairs)
            database = [it.database_cpu_seconds / one.database_cpu_seconds for it, one in pairs]
            worst = max(worst, statistics.median(ratios))
            table.add_row(
                f"{replicas}",
                f"{at_once}",
                f"{statistics.median(it.job.a_second for it in runs):.0f}",
                f"{statistics.median(it.job.cpu_seconds for it in runs) * 1000:.2f}",
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                f"{statistics.median(it.database_cpu_seconds for it in runs) * 1000:.2f}",
                f"{statistics.median(database):.2f}",
            )
    Console(width=110).print(table)
    return worst


async def measure(rounds: int, folder: Path) -> bool:
    """Measure each number of replicas in turns; tell whether the limits are kept."""
    found: dict[int, Done] = defaultdict(Done)
    server = PostgresServer(folder)
    try:
        for _ in range(rounds):
            for replicas in REPLICAS:
                await one_round(server, replicas, folder, found[replicas])
    finally:
        server.stop()
    worst = show(found)
    for replicas, done in found.items():
        print(f"{replicas} replicas, {done.orders} orders: {dict(done.requests)}, passes {dict(done.passes)}")
    is_once = all(done.is_each_worked_on_once for done in found.values())
    print(f"worst ratio {worst:.2f} (limit {LIMIT}); is each worked on once: {is_once}")
    return worst <= LIMIT and is_once


def main() -> None:
    """Measure, and end with status 1 if replicas make orders dearer, or one is worked on twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="presshook-bench-") as folder:
        sys.exit(not asyncio.run(measure(arguments.rounds, Path(folder))))


if __name__ == "__main__":
    main()
