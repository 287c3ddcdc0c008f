"""`make bench-growth`: what an order costs beside a thousand and beside a million others, part by part.

The real statements, with a CloudPress that answers at once: what is timed is the database and what is ours.
The others are past, but for some sixty that are open. Both sizes take turns, so both meet the same machine.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import update

from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.orders.callbacks import CallbackIntake
from app.orders.intake import NewOrder, OrderIntake
from app.secrets import Encryption
from tests.bench.api import LARGE, SMALL, databases, quiet
from tests.bench.pages import fill_whole
from tests.reconciler.scripted import Bench
from tests.settings import SECRET_KEY

ACCOUNT = "acct-3"
"""One of the seven that have all the others."""
BURST, ROUNDS, WARM_UP = 100, 15, 2
LIMIT = 1.2
Timed = dict[str, list[float]]


async def live(bench: Bench, number: int, took: Timed) -> None:
    """Have some orders live their lives; note how many milliseconds each part took, by the order."""
    intake, callbacks = OrderIntake(bench.db), CallbackIntake(bench.db)
    bench.clock.time = max(datetime.now(UTC), bench.clock.time)

    async def timed(part: str, doing: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await doing()
        took[part].append((time.perf_counter() - began) * 1000 / number)

    orders = [NewOrder(ACCOUNT, f"Shop {each}", "vanilla", None, None, None, {}) for each in range(number)]
    known = set(bench.cloudpress.orders_made)
    accepted = []

    async def take_in() -> None:
        accepted.extend(await asyncio.gather(*(intake.create(order, None) for order in orders)))

    await timed("taken in", take_in)
    await timed("claimed and placed", bench.work_together)
    for order_id in set(bench.cloudpress.orders_made) - known:
        bench.cloudpress.end(order_id, "OK")
    await timed(
        "called back", lambda: asyncio.gather(*(callbacks.record(order.id, b"{}") for order in accepted))
    )
    await timed("claimed and concluded", bench.work_together)


async def measure(kind: str, urls: tuple[str, str], large: int) -> float:
    """Measure on one kind of database; return the worst ratio."""
    began = time.monotonic()
    for url, count in zip(urls, (SMALL, large), strict=True):
        db = Database(async_database_url(url), Encryption([SECRET_KEY]))
        await fill_whole(db, kind, count)
        async with db.write() as tx:
            # Not what the scripted CloudPress is going to answer with, nor due: how old the open ones are
            # would decide how often they are looked at.
            renamed = {"cloudpress_order_id": "past-" + Order.cloudpress_order_id, "due_at": None}
            await tx.session.execute(update(Order).values(renamed))
        await db.dispose()
    benches = [Bench(url) for url in urls]
    for bench in benches:
        bench.accounts.add(ACCOUNT)
    print(f"\n{kind}: filled in {time.monotonic() - began:.0f} s")
    print(f"{'ms an order':26}{'beside':>10} {SMALL:<8} {'beside':>10} {large:<9}  ratio")
    worst = 0.0
    for number in (1, BURST):
        times: tuple[Timed, Timed] = (defaultdict(list), defaultdict(list))
        for round_ in range(ROUNDS + WARM_UP):
            for bench, took in zip(benches, times, strict=True):
                await live(bench, number, took if round_ >= WARM_UP else defaultdict(list))
        for part in times[0]:
            before, after = (statistics.median(took[part]) for took in times)
            worst = max(worst, after / before)
            what = f"{part}, {'alone' if number == 1 else f'{number} at once'}"
            print(f"{what:36}{before:8.2f} {after:18.2f} {after / before:8.2f}")
    for bench in benches:
        await bench.db.dispose()
    return worst


def main() -> None:
    """Measure, and end with status 1 if a million orders are felt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=LARGE)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    arguments = parser.parse_args()
    quiet()
    worst = 0.0
    for kind in [arguments.database] if arguments.database else ["sqlite", "postgresql"]:
        with TemporaryDirectory(prefix="presshook-bench-") as folder, databases(kind, Path(folder)) as urls:
            worst = max(worst, asyncio.run(measure(kind, urls, arguments.orders)))
    print(f"\nworst ratio {worst:.2f}, limit {LIMIT}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
