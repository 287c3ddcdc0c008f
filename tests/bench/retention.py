"""`make bench-retention`: what pruning costs who calls back meanwhile, how fast it is, what an order takes.

The orders are copies of one that was ordered, finished and told of by webhook. Callbacks for fresh orders
come in at a steady pace, each with a body of its own, at the installed service: without pruning, while old
orders go, and without again. The bytes are those of fewer orders, which are pruned whole.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import Engine, text, update

from app.db.database import Database
from app.db.models import Webhook
from app.db.url import async_database_url
from app.maintenance import retention
from app.maintenance.retention import Pruner
from app.secrets import CallbackSecrets, Encryption
from tests.bench.aged import Copying
from tests.bench.api import quiet
from tests.databases import PostgresServer, SqliteFiles, plain_engine
from tests.e2e.conftest import answers, environment, free_url, installed, port_of
from tests.harness import eventually
from tests.receiver import LOCAL_NETWORKS, run_receiver
from tests.settings import API_KEY, SECRET_KEY

LIMIT = 2.0
FRESH_ORDERS = 50
DAYS = 1
HEADERS = {"Authorization": f"Bearer {API_KEY}"}
COUNT_PRUNED = "SELECT count(*) FROM orders WHERE erased_at IS NOT NULL"


@dataclass(frozen=True)
class Bytes:
    """What an order takes, in bytes: finished, and as the tombstone of which the events have gone."""

    whole: float
    tombstone: float
    pruned_a_second: float
    """How many orders are pruned where nobody is left any time."""


@dataclass(frozen=True)
class Pace:
    """For how long callbacks come in, and how many a second."""

    seconds: float
    a_second: int


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Yield the address of a migrated database."""
    with tempfile.TemporaryDirectory(prefix="presshook-bench-") as folder:
        if kind == "sqlite":
            with SqliteFiles(Path(folder)).migrated_url() as url:
                yield url
            return
        server = PostgresServer(Path(folder))
        try:
            with server.migrated_url() as url:
                yield url
        finally:
            server.stop()


@asynccontextmanager
async def service(
    url: str, cwd: Path, *, task_seconds: float, **more: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Run the installed service and its sandbox; yield a client."""
    sandbox, ours = free_url(), free_url()
    env = environment(
        url, sandbox, PUBLIC_URL=ours, CLOUDPRESS_API_TOKEN="sandbox-token",
        CLOUDPRESS_ACCOUNT_ID="sandbox-account", WEBHOOK_ALLOWED_NETWORKS=LOCAL_NETWORKS, **more,
    )  # fmt: skip
    arguments = ["sandbox", "--port", port_of(sandbox), "--task-seconds", str(task_seconds)]
    with (
        installed(*arguments, env=env, cwd=cwd),
        installed("serve", "--port", port_of(ours), env=env, cwd=cwd),
    ):
        async with httpx.AsyncClient(base_url=ours, headers=HEADERS, timeout=60) as client:
            await answers(client, "/readyz", 200, patience_seconds=120)
            yield client


async def place(client: httpx.AsyncClient, name: str) -> str:
    """Place an order."""
    body = {"site": {"name": name, "variant": "vanilla"}}
    answer = await client.post("/v1/orders", json=body)
    assert answer.status_code in {201, 202}, answer.text
    return str(answer.json()["id"])


async def fill(url: str, cwd: Path, count: int) -> None:
    """Order one site, have an application told of it, and copy the order."""
    async with run_receiver() as application, service(url, cwd, task_seconds=0.1) as client:
        await client.post("/v1/webhooks", json={"url": application.url})
        order_id = await place(client, "Site")

        async def status() -> str:
            return str((await client.get(f"/v1/orders/{order_id}")).json()["status"])

        await eventually(status, lambda seen: seen == "completed")
        hook = (await client.get("/v1/webhooks")).json()["data"][0]["id"]

        async def pending() -> int:
            answer = await client.get(f"/v1/webhooks/{hook}/deliveries?status=pending")
            return len(answer.json()["data"])

        await eventually(pending, lambda left: left == 0)
    with plain_engine(url) as opened, opened.connect() as connection:
        copying = Copying(connection)
        connection.rollback()
        copying.copy(count)
        with connection.begin():
            connection.execute(update(Webhook).values(is_enabled=False))
        tidy(connection.engine, "VACUUM ANALYZE", "ANALYZE")


def tidy(opened: Engine, postgresql: str, sqlite: str) -> None:
    """Do what a database does by itself in time."""
    with opened.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(postgresql if opened.dialect.name == "postgresql" else sqlite))


def size(opened: Engine) -> int:
    """Return how many bytes a database takes that has nothing to throw away."""
    tidy(opened, "VACUUM FULL", "VACUUM")
    with opened.connect() as connection:
        if opened.dialect.name == "postgresql":
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        pages = int(connection.execute(text("PRAGMA page_count")).scalar_one())
        return pages * int(connection.execute(text("PRAGMA page_size")).scalar_one())


async def measure_bytes(kind: str, cwd: Path, count: int) -> Bytes:
    """Fill a database, prune it whole, and weigh it before and after."""
    with database(kind) as url, plain_engine(url) as opened:
        empty = size(opened)
        await fill(url, cwd, count)
        whole = size(opened)
        db = Database(async_database_url(url), Encryption([SECRET_KEY]))
        began = time.monotonic()
        pruned = await Pruner(db, DAYS).prune()
        took = time.monotonic() - began
        await db.dispose()
        assert pruned.cleared >= count, pruned
        assert pruned.stripped >= count, pruned
        return Bytes((whole - empty) / count, (size(opened) - empty) / count, count / took)


async def call_back(url: str, cwd: Path, pace: Pace, **more: str) -> tuple[list[float], float]:
    """Call back for so long; return each one's ms, and how many orders a second were pruned meanwhile."""
    secrets = CallbackSecrets([SECRET_KEY])
    took: list[float] = []

    async def one(client: httpx.AsyncClient, order_id: str, number: int) -> None:
        headers = {"Authorization": secrets.authorization(UUID(order_id))}
        began = time.perf_counter()
        body = {"number": number}
        answer = await client.post(f"/v1/callbacks/{order_id}", json=body, headers=headers)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 204, answer.text

    with plain_engine(url) as opened:
        async with service(url, cwd, task_seconds=3600, **more) as client, asyncio.TaskGroup() as tasks:
            ids = [await place(client, f"Fresh {number}") for number in range(FRESH_ORDERS)]
            before, began = count_pruned(opened), time.monotonic()
            for number in range(int(pace.seconds * pace.a_second)):
                tasks.create_task(one(client, ids[number % len(ids)], number))
                await asyncio.sleep(max(0.0, began + (number + 1) / pace.a_second - time.monotonic()))
            pruned_a_second = (count_pruned(opened) - before) / (time.monotonic() - began)
    return took[pace.a_second :], pruned_a_second


def count_pruned(opened: Engine) -> int:
    """Return how many orders are tombstones."""
    with opened.connect() as connection:
        return int(connection.execute(text(COUNT_PRUNED)).scalar_one())


def percentile(values: list[float], share: float) -> float:
    """Return what a share of the values does not exceed."""
    return sorted(values)[int(len(values) * share)]


async def measure_waiting(kind: str, cwd: Path, count: int, pace: Pace) -> float:
    """Measure callbacks without and with pruning; print both, and return the ratio of their p99."""
    with database(kind) as url:
        began = time.monotonic()
        await fill(url, cwd, count)
        print(f"{kind}: {count:,} old orders, made in {time.monotonic() - began:.0f} s", flush=True)
        quiet_before, _ = await call_back(url, cwd, pace)
        pruning, speed = await call_back(url, cwd, pace, RETENTION_DAYS=str(DAYS))
        quiet_after, _ = await call_back(url, cwd, pace)
    without = quiet_before + quiet_after
    for name, values in (("without", without), ("while old orders go", pruning)):
        shown = ", ".join(
            f"p{share * 100:.0f} {percentile(values, share):.1f} ms" for share in (0.5, 0.95, 0.99)
        )
        print(f"  {name:20} {len(values)} callbacks: {shown}")
    print(f"  pruned meanwhile     {speed:.0f} orders a second", flush=True)
    assert speed > 0, "nothing was pruned meanwhile"
    return percentile(pruning, 0.99) / percentile(without, 0.99)


async def measure(kind: str, arguments: argparse.Namespace) -> float:
    """Measure one kind of database."""
    pace = Pace(arguments.seconds, arguments.a_second)
    with tempfile.TemporaryDirectory(prefix="presshook-bench-") as folder:
        ratio = await measure_waiting(kind, Path(folder), arguments.orders, pace)
        print(f"  p99 of callbacks     {ratio:.2f} times that without (limit {LIMIT})")
        found = await measure_bytes(kind, Path(folder), arguments.weighed)
    print(
        f"  bytes an order       {found.whole:,.0f} whole, {found.tombstone:,.0f} as its last tombstone "
        f"(of {arguments.weighed:,} orders)\n"
        f"  without its pauses   {found.pruned_a_second:.0f} orders a second, wholly",
        flush=True,
    )
    return ratio


def main() -> None:
    """Measure both databases, and end with status 1 if pruning is felt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--weighed", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--a-second", type=int, default=25, help="how many callbacks")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    arguments = parser.parse_args()
    quiet()
    # For the whole of it nobody is left time; the service itself leaves it.
    retention.PAUSE_SHARE = retention.SHORTEST_PAUSE_SECONDS = 0.0
    retention.ON_SQLITE = replace(retention.ON_SQLITE, seconds=math.inf)
    retention.ON_POSTGRESQL = replace(retention.ON_POSTGRESQL, seconds=math.inf)
    print(json.dumps(vars(arguments)))
    worst = max(
        asyncio.run(measure(kind, arguments)) for kind in arguments.database or ["sqlite", "postgresql"]
    )
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
