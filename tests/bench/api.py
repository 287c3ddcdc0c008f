"""`make bench-api`: reads of the API at a thousand and a million orders, on both databases, and their plans.

Orders that are open and orders that ask for attention are few, as in life, and as many at both sizes: a full
page of each. The two sizes are asked in turns, so that both meet the same machine.
"""

import argparse
import asyncio
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from sqlalchemy import text

from app.api.routes.orders.listing import read_cursor
from app.db.database import Database
from app.orders.listing import Wanted, page
from app.states import OrderStatus
from tests.databases import PostgresServer, SqliteFiles
from tests.harness import Presshook, run_presshook

SMALL, LARGE = 1_000, 1_000_000
LIMIT = 1.5
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ROUNDS = 200
WARM_UP = 30
FILL = {
    "sqlite": """
        INSERT INTO orders (id, status, account_id, site_name, variant, metadata, wakes, failures, quiet,
            created_at, updated_at, finalized_at, cloudpress_order_id, attention_code, attention_detail,
            attention_since)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
        SELECT lower(hex(randomblob(16))),
            CASE WHEN i % (:count / 60) = 0 THEN 'provisioning' WHEN i % 20 = 0 THEN 'failed'
                ELSE 'completed' END, 'acct-' || (i % 7), 'Site ' || i, 'vanilla', '{}', 0, 0, 0,
            datetime(:began, i || ' seconds') || '.000000',
            datetime(:began, i || ' seconds') || '.000000',
            CASE WHEN i % (:count / 60) = 0 THEN NULL
                ELSE datetime(:began, (i + 300) || ' seconds') || '.000000' END,
            'cp-' || i, CASE WHEN i % (:count / 60) = 1 THEN 'not_found' END,
            CASE WHEN i % (:count / 60) = 1 THEN 'Look.' END,
            CASE WHEN i % (:count / 60) = 1 THEN datetime(:began) || '.000000' END
        FROM n
    """,
    "postgresql": """
        INSERT INTO orders (id, status, account_id, site_name, variant, metadata, wakes, failures, quiet,
            created_at, updated_at, finalized_at, cloudpress_order_id, attention_code, attention_detail,
            attention_since)
        SELECT gen_random_uuid(),
            CASE WHEN i % (:count / 60) = 0 THEN 'provisioning' WHEN i % 20 = 0 THEN 'failed'
                ELSE 'completed' END, 'acct-' || (i % 7), 'Site ' || i, 'vanilla', '{}', 0, 0, 0,
            CAST(:began AS timestamptz) + i * interval '1 second',
            CAST(:began AS timestamptz) + i * interval '1 second',
            CASE WHEN i % (:count / 60) = 0 THEN NULL
                ELSE CAST(:began AS timestamptz) + (i + 300) * interval '1 second' END,
            'cp-' || i, CASE WHEN i % (:count / 60) = 1 THEN 'not_found' END,
            CASE WHEN i % (:count / 60) = 1 THEN 'Look.' END,
            CASE WHEN i % (:count / 60) = 1 THEN CAST(:began AS timestamptz) END
        FROM generate_series(1, :count) AS s(i)
    """,
}
TASKS = "INSERT INTO tasks (order_id, id, status) SELECT id, 1, 'OK' FROM orders"
SITE = (
    '{"id": "1", "name": "Site", "primary_domain": "site.example", "location": null, "region": null, '
    '"package": null, "php_version": null, "domain_cname": null, "created_at": null, "updated_at": null, '
    '"ssh": null}'
)
SITES = f"""
    INSERT INTO sites (order_id, id, details, answer, read_at)
    SELECT id, '1', '{SITE}', {{answer}}, created_at FROM orders WHERE status = 'completed'
"""  # noqa: S608 - of words written above
READS: dict[str, dict[str, Any]] = {
    "newest": {},
    "one status": {"status": "failed"},
    "a rare status": {"status": "provisioning"},
    "two statuses": {"status": ["failed", "provisioning"]},
    "one account": {"account_id": "acct-3"},
    "account and statuses": {"account_id": "acct-3", "status": ["failed", "completed"]},
    "attention": {"attention": "true"},
    "created before": {"created_before": "2020-01-01T00:10:00Z"},
}


@dataclass
class Filled:
    """A service on a database with so many orders."""

    presshook: Presshook
    ids: list[str]
    cursor: str


async def fill(db: Database, kind: str, count: int, *, began: datetime = LONG_AGO) -> list[str]:
    """Fill a database with an order each second since a moment; return some of their ids."""
    async with db.write() as tx:
        await tx.session.execute(text(FILL[kind]), {"count": count, "began": f"{began:%Y-%m-%d %H:%M:%S}"})
        await tx.session.execute(text(TASKS))
        answer = "x'00'" if kind == "sqlite" else "'\\x00'::bytea"
        await tx.session.execute(text(SITES.replace("{answer}", answer).replace(":", "\\:")))
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE" if kind == "sqlite" else "VACUUM ANALYZE"))
        rows = await connection.execute(text("SELECT id FROM orders"))
        return [str(row.id) for row in random.Random(1).sample(rows.all(), min(count, 500))]


async def open_filled(stack: AsyncExitStack, kind: str, url: str, count: int) -> Filled:
    """Fill a database and serve it, without a reconciler."""
    presshook = await stack.enter_async_context(run_presshook(url, "http://127.0.0.1:9", reconcile=False))
    ids = await fill(presshook.service.db, kind, count)
    cursor = ""
    for _ in range(5):
        params: dict[str, Any] = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        cursor = (await presshook.client.get("/v1/orders", params=params)).json()["next_cursor"]
    return Filled(presshook, ids, cursor)


async def timed(filled: Filled, path: str, params: dict[str, Any]) -> float:
    """Return how many milliseconds a read takes."""
    began = time.perf_counter()
    answer = await filled.presshook.client.get(path, params=params)
    took = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    return took


async def compare(
    small: Filled, large: Filled, read: Callable[[Filled], tuple[str, dict[str, Any]]]
) -> float:
    """Time a read on both in turns; print the medians and return their ratio."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for round_ in range(ROUNDS + WARM_UP):
        for which, filled in enumerate((small, large)):
            took = await timed(filled, *read(filled))
            if round_ >= WARM_UP:
                times[which].append(took)
    before, after = statistics.median(times[0]), statistics.median(times[1])
    print(f" {before:8.2f} ms {after:8.2f} ms {after / before:6.2f}")
    return after / before


async def measure(kind: str, urls: tuple[str, str], large: int) -> float:
    """Measure all reads on one kind of database; return the worst ratio."""
    worst = 0.0
    async with AsyncExitStack() as stack:
        began = time.monotonic()
        few = await open_filled(stack, kind, urls[0], SMALL)
        many = await open_filled(stack, kind, urls[1], large)
        print(f"\n{kind}: filled in {time.monotonic() - began:.0f} s")
        print(f"{'':24} {SMALL:>9} {large:>11}  ratio")
        print(f"{'GET one order':24}", end="")
        draw = random.Random(2)
        worst = max(worst, await compare(few, many, lambda it: (f"/v1/orders/{draw.choice(it.ids)}", {})))
        for name, params in READS.items():
            print(f"{name:24}", end="")
            worst = max(worst, await compare(few, many, lambda _, given=params: ("/v1/orders", given)))  # type: ignore[misc]
        print(f"{'page 11, by cursor':24}", end="")
        worst = max(worst, await compare(few, many, lambda it: ("/v1/orders", {"cursor": it.cursor})))
        await print_plans(kind, many)
    return worst


async def print_plans(kind: str, filled: Filled) -> None:
    """Print how the database finds each page of a million."""
    lists = {
        "newest": Wanted(),
        "one status": Wanted(statuses=[OrderStatus.FAILED]),
        "two statuses": Wanted(statuses=[OrderStatus.FAILED, OrderStatus.PROVISIONING]),
        "one account": Wanted(account_ids=["acct-3"]),
        "account and status": Wanted(account_ids=["acct-3"], statuses=[OrderStatus.FAILED]),
        "attention": Wanted(attention=True),
        "by cursor": Wanted(after=read_cursor(filled.cursor)),
    }
    db = filled.presshook.service.db
    print(f"\n{kind}: plans")
    for name, wanted in lists.items():
        statement = page(wanted).compile(db.engine, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN " if kind == "sqlite" else "EXPLAIN (COSTS OFF) "
        async with db.engine.connect() as connection:
            rows = (await connection.exec_driver_sql(explain + str(statement).replace("%", "%%"))).all()
        print(f"  {name}")
        for row in rows:
            print(f"    {row[-1]}")


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the addresses of two migrated databases."""
    with ExitStack() as stack:
        if kind == "sqlite":
            files = SqliteFiles(folder)
            yield (
                stack.enter_context(files.migrated_url()),
                stack.enter_context(files.migrated_url()),
            )
            return
        server = PostgresServer(folder)
        stack.callback(server.stop)
        yield stack.enter_context(server.migrated_url()), stack.enter_context(server.migrated_url())


def quiet() -> None:
    """Leave the log out: it would be timed as well."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> None:
    """Measure, and end with status 1 if a million orders are felt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=LARGE)
    arguments = parser.parse_args()
    quiet()
    worst = 0.0
    for kind in ("sqlite", "postgresql"):
        with TemporaryDirectory(prefix="presshook-bench-") as folder, databases(kind, Path(folder)) as urls:
            worst = max(worst, asyncio.run(measure(kind, urls, arguments.orders)))
    print(f"\nworst ratio {worst:.2f}, limit {LIMIT}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
