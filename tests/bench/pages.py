"""`make bench-pages`: the dashboard's pages at a million orders, on both databases: how long, how large.

An order each second until now, with its task, site, callback and event, and as many deliveries. Each page is
asked for over HTTP by a key that sees all, one that sees one account of seven, and one whose account has
nothing among the million; then once more on a day on which a tenth of all orders asks for a person.
"""

import argparse
import asyncio
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db.database import Database
from app.db.models import Webhook
from app.events.timeline import Actor
from app.keys.changing import make_key
from app.keys.grants import NewKey, Scope
from tests.bench.api import fill, quiet
from tests.databases import PostgresServer, SqliteFiles
from tests.harness import Presshook, run_presshook
from tests.settings import API_KEY

ORDERS = 1_000_000
ROUNDS, WARM_UP = 20, 3
LIMIT_MS, LIMIT_KB, LIMIT_FIRST_KB = 100, 60, 120
READERS = {"every account": None, "one of seven": "acct-3", "an empty one": "acct-none"}
LOADED = re.compile(r'(?:src|href)="(/ui/static/[^"]+)"')
EVENTS = """
    INSERT INTO events (order_id, type, at, data)
    SELECT id, 'order.status_changed', created_at, '{"before": "provisioning", "after": "completed"}'
    FROM orders ORDER BY created_at
"""
CALLBACKS = """
    INSERT INTO callbacks (order_id, body_sha256, body, task_id, count, first_received_at, last_received_at)
    SELECT id, 'digest', {nothing}, 1, 1, created_at, created_at FROM orders
"""
DELIVERIES = """
    INSERT INTO deliveries (id, webhook_id, event_id, status, attempts, failures, created_at, delivered_at,
        response_status, wakes)
    SELECT {new_id}, :webhook_id, id, 'delivered', 1, 0, at, at, 204, 0 FROM events
"""
ENDED = "UPDATE tasks SET ended_at = (SELECT created_at FROM orders WHERE orders.id = order_id)"
DUE = "UPDATE orders SET due_at = created_at WHERE status = 'provisioning'"
BAD_DAY = """
    UPDATE orders SET attention_code = 'credentials_refused', attention_detail = 'Look.',
        attention_since = created_at WHERE site_name LIKE '%7'
"""
FACTS = {
    "sqlite": {"nothing": "x'00'", "new_id": "lower(hex(randomblob(16)))"},
    "postgresql": {"nothing": "'\\\\x00'\\:\\:bytea", "new_id": "gen_random_uuid()"},
}


async def fill_whole(db: Database, kind: str, count: int) -> dict[str, str]:
    """Fill a database; return what stands in addresses."""
    ids = await fill(db, kind, count, began=datetime.now(UTC) - timedelta(seconds=count))
    async with db.write() as tx:
        hook = Webhook(
            id=uuid7(), url="https://shop.example/hook", is_enabled=True, secret=b"whsec_bench",
            created_at=tx.now, updated_at=tx.now,
        )  # fmt: skip
        tx.session.add(hook)
        await tx.session.flush()
        webhook_id = hook.id.hex if kind == "sqlite" else hook.id
        for statement in (ENDED, DUE, EVENTS, CALLBACKS.format(**FACTS[kind])):
            await tx.session.execute(text(statement.replace('": "', '"\\: "')))
        await tx.session.execute(text(DELIVERIES.format(**FACTS[kind])), {"webhook_id": webhook_id})
    await tidy(db, kind)
    async with db.read() as session:
        delivery = (await session.execute(text("SELECT id FROM deliveries LIMIT 1"))).scalar_one()
    return {"order": ids[0], "webhook": str(hook.id), "delivery": str(delivery)}


async def tidy(db: Database, kind: str) -> None:
    """Have the database count what it has, as it does by itself in time."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE" if kind == "sqlite" else "VACUUM ANALYZE"))


def pages(places: dict[str, str], account: str | None) -> dict[str, str]:
    """Return the pages that a key sees, by what they are."""
    found = {
        "overview": "/ui",
        "orders": "/ui/orders",
        "orders of a status": "/ui/orders?status=failed",
        "orders of a name": "/ui/orders?name=Site+4711",
        "orders of an account": "/ui/orders?account_id=acct-3",
        "orders that ask": "/ui/orders?attention=true",
        "orphans": "/ui/orphans",
        "accounts": "/ui/accounts",
        "keys": "/ui/keys",
        "webhooks": "/ui/webhooks",
        "live": "/ui/live",
        "audit": "/ui/audit",
    }
    if account is None:
        hook = f"/ui/webhooks/{places['webhook']}"
        found |= {
            "an order": f"/ui/orders/{places['order']}",
            "a webhook": hook,
            "a delivery": f"{hook}/deliveries/{places['delivery']}",
            "doctor": "/ui/doctor",
        }
    return found


@contextmanager
def migrated(kind: str, folder: Path) -> Iterator[str]:
    """Yield the address of a migrated database."""
    if kind == "sqlite":
        with SqliteFiles(folder).migrated_url() as url:
            yield url
        return
    server = PostgresServer(folder)
    try:
        with server.migrated_url() as url:
            yield url
    finally:
        server.stop()


async def signed_in(stack: AsyncExitStack, presshook: Presshook, account: str | None) -> httpx.AsyncClient:
    """Return a browser that has signed in with a key for all accounts or one."""
    accounts = None if account is None else (account,)
    new = NewKey("bench", tuple(Scope), accounts)
    key = (await make_key(presshook.service.db, new, by=Actor("bench"))).key if account else API_KEY
    url = presshook.url
    browser = await stack.enter_async_context(
        httpx.AsyncClient(base_url=url, headers={"Origin": url, "Accept-Encoding": "gzip"}, timeout=60)
    )
    answer = await browser.post("/ui/sign-in", data={"key": key})
    if answer.status_code != 303:
        sys.exit(f"signing in was answered {answer.status_code}")
    return browser


async def asked(browser: httpx.AsyncClient, path: str) -> tuple[float, float, str]:
    """Return how many milliseconds a page takes, how many KB of its body are sent, and the page."""
    began = time.perf_counter()
    answer = await browser.get(path)
    took = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    return took, answer.num_bytes_downloaded / 1000, answer.text


async def measure_pages(browser: httpx.AsyncClient, named: dict[str, str]) -> tuple[float, float]:
    """Print the median and the longest time of each page, and its size; return the worst of each."""
    slowest = largest = 0.0
    for name, path in named.items():
        seen = [await asked(browser, path) for _ in range(ROUNDS + WARM_UP)][WARM_UP:]
        times = [took for took, _, _ in seen]
        size = max(size for _, size, _ in seen)
        print(
            f"  {name:22} {statistics.median(times):7.1f} ms {max(times):7.1f} ms {size:6.1f} KB", flush=True
        )
        slowest, largest = max(slowest, statistics.median(times)), max(largest, size)
    return slowest, largest


async def first_visit(browser: httpx.AsyncClient) -> float:
    """Return how many KB of bodies are sent to who signs in for the first time and sees the overview."""
    sizes = []
    wanted: set[str] = set()
    for path in ("/ui/sign-in", "/ui"):
        _, size, page = await asked(browser, path)
        sizes.append(size)
        wanted |= set(LOADED.findall(page))
    sizes += [(await asked(browser, path))[1] for path in sorted(wanted)]
    return sum(sizes)


async def measure(kind: str, url: str, count: int) -> bool:
    """Measure all pages on one kind of database; tell whether all are within the limits."""
    slowest = largest = first = 0.0
    async with AsyncExitStack() as stack:
        presshook = await stack.enter_async_context(run_presshook(url, "http://127.0.0.1:9", reconcile=False))
        began = time.monotonic()
        db = presshook.service.db
        places = await fill_whole(db, kind, count)
        print(f"\n{kind}: {count:,} orders, filled in {time.monotonic() - began:.0f} s")
        browsers = {name: await signed_in(stack, presshook, account) for name, account in READERS.items()}
        for day in ("a usual day", "a bad day: a tenth of all orders asks for a person"):
            for name, account in READERS.items():
                print(f" {name}, {day}: median, longest, compressed")
                slow, large = await measure_pages(browsers[name], pages(places, account))
                slowest, largest = max(slowest, slow), max(largest, large)
                first = max(first, await first_visit(browsers[name]))
            if day == "a usual day":
                async with db.write() as tx:
                    await tx.session.execute(text(BAD_DAY))
                await tidy(db, kind)
    print(f"{kind}: slowest {slowest:.1f} ms, largest {largest:.1f} KB, first visit {first:.1f} KB")
    return slowest < LIMIT_MS and largest < LIMIT_KB and first < LIMIT_FIRST_KB


def main() -> None:
    """Measure, and end with status 1 if a page is slower or larger than its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    arguments = parser.parse_args()
    quiet()
    is_within = True
    for kind in (arguments.database,) if arguments.database else ("sqlite", "postgresql"):
        with TemporaryDirectory(prefix="presshook-bench-") as folder, migrated(kind, Path(folder)) as url:
            is_within &= asyncio.run(measure(kind, url, arguments.orders))
    print(f"limits: {LIMIT_MS} ms, {LIMIT_KB} KB, first visit {LIMIT_FIRST_KB} KB")
    sys.exit(not is_within)


if __name__ == "__main__":
    main()
