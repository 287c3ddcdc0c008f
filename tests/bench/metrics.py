"""`make bench-metrics`: what recording metrics costs, and what telling them costs at a million orders.

- recording: processor time of the whole process per callback, the application called without a socket so that
  nothing hides it, with recording and with nothing in its place, in turns. What is more is the median of the
  differences. A few tenths of a percent drown in what a machine does beside: the calls that a callback makes
  are counted and timed by themselves as well, and their share is what counts.
- telling: how long the database is asked for what all replicas share, at a thousand and at a million orders.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable, MutableMapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from uuid import UUID

from starlette.types import ASGIApp

from app import main
from app.main import Service, create_app
from app.orders.intake import NewOrder, create_order
from app.telemetry.metrics import Metrics
from app.telemetry.snapshot import Snapshots
from tests.bench.api import LARGE, SMALL, Filled, databases, open_filled, quiet
from tests.settings import make_settings

LIMIT_SHARE = 0.03
LIMIT_RATIO = 1.5
ORDERS = 200
AT_ONCE = 50
CALLBACKS = 1000
ROUNDS = 41
LOOKS = 60


class Silent(Metrics):
    """Records nothing."""

    def request(self, *_: object, **__: object) -> None:
        """Record nothing."""

    def callback(self, *_: object) -> None:
        """Record nothing."""

    def batch(self, *_: object) -> None:
        """Record nothing."""


@dataclass
class Side:
    """An application, with or without recording."""

    app: ASGIApp
    service: Service
    order_ids: list[UUID]
    is_let_in: bool = True
    sent: int = 0

    async def call(self) -> None:
        """Send a callback that was not sent before."""
        self.sent += 1
        order_id = self.order_ids[self.sent % len(self.order_ids)]
        value = self.service.callback_secrets.authorization(order_id) if self.is_let_in else "Bearer no"
        body = b'{"task": {"id": %d, "status": "OK"}}' % self.sent
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": f"/v1/callbacks/{order_id}",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"authorization", value.encode()), (b"content-length", b"%d" % len(body))],
            "client": ("127.0.0.1", 9),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == (204 if self.is_let_in else 401)

        await self.app(scope, receive, send)

    async def cpu_microseconds(self) -> float:
        """Return the processor time that a callback takes, of many at once."""
        gc.collect()
        began = time.process_time()
        for _ in range(CALLBACKS // AT_ONCE):
            await asyncio.gather(*(self.call() for _ in range(AT_ONCE)))
        return (time.process_time() - began) / CALLBACKS * 1e6


async def side(stack: AsyncExitStack, url: str, metrics: type[Metrics]) -> Side:
    """Open a service that records by `metrics`, with orders of its own."""
    with patch.object(main, "Metrics", metrics):
        service = Service(make_settings(url))
    app = create_app(service, reconcile=False)
    await stack.enter_async_context(service.run(reconcile=False, on_death=lambda: None))
    new = [NewOrder("acct", f"Site {i}", "vanilla", None, None, None, {}) for i in range(ORDERS)]
    return Side(app, service, [(await create_order(service.db, each, None)).id for each in new])


async def recording(kind: str, url: str) -> float:
    """Measure what recording costs; print it, and return the largest share."""
    worst = 0.0
    async with AsyncExitStack() as stack:
        with_, without = await side(stack, url, Metrics), await side(stack, url, Silent)
        for name, is_let_in in (("accepted", True), ("refused", False)):
            with_.is_let_in = without.is_let_in = is_let_in
            for each in (with_, without):
                await each.cpu_microseconds()
            taken: list[tuple[float, float]] = []
            for turn in range(ROUNDS):
                both = (with_, without) if turn % 2 else (without, with_)
                told = {id(each): await each.cpu_microseconds() for each in both}
                taken.append((told[id(with_)], told[id(without)]))
            alone = statistics.median(without_ for _, without_ in taken)
            more = statistics.median(with_ - without_ for with_, without_ in taken)
            calls = await calls_microseconds(with_)
            told_ = f"{alone:9.1f} µs {more:9.2f} µs {calls:9.2f} µs {calls / alone:9.1%}"
            print(f"{kind:12}{name:12}{told_}", flush=True)
            worst = max(worst, calls / alone if is_let_in else 0.0)
    return worst


async def calls_microseconds(with_: Side) -> float:
    """Return the processor time that all calls of a callback take which record something."""
    recorded: list[Callable[[], None]] = []
    metrics = with_.service.metrics

    def noting(name: str) -> Callable[..., None]:
        method = getattr(Metrics, name)

        def note(*given: Any, **named: Any) -> None:
            recorded.append(partial(method, metrics, *given, **named))

        return note

    with ExitStack() as stack:
        for name in ("request", "callback"):
            stack.enter_context(patch.object(metrics, name, noting(name)))
        await with_.cpu_microseconds()
    if with_.is_let_in:
        # The batch's own was bound when the application was made.
        recorded += [partial(metrics.batch, "callbacks", AT_ONCE, 0.003)] * (CALLBACKS // AT_ONCE)
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for each in recorded:
            each()
        times.append(time.process_time() - began)
    return statistics.median(times) / CALLBACKS * 1e6


async def telling(kind: str, urls: tuple[str, str], large: int) -> float:
    """Measure what asking the database costs at both sizes; print it, and return the ratio."""
    async with AsyncExitStack() as stack:
        few = await open_filled(stack, kind, urls[0], SMALL)
        many = await open_filled(stack, kind, urls[1], large)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(LOOKS):
            for filled, told in zip((few, many), times, strict=True):
                told.append(await _asked(filled))
        # The fastest tenth: what else the machine does slows the others.
        before, after = (statistics.quantiles(each, n=10)[0] for each in times)
        print(f"{kind:12}{before:9.2f} ms {after:9.2f} ms {after / before:9.2f}", flush=True)
    return after / before


async def _asked(filled: Filled) -> float:
    """Return how many milliseconds the database is asked for."""
    snapshots = Snapshots(filled.presshook.service.db)
    began = time.perf_counter()
    await snapshots.collector()
    return (time.perf_counter() - began) * 1000


def _on_both(measure: Callable[[str, tuple[str, str]], float]) -> float:
    worst = 0.0
    for kind in ("sqlite", "postgresql"):
        with TemporaryDirectory(prefix="presshook-bench-") as folder, databases(kind, Path(folder)) as urls:
            worst = max(worst, measure(kind, urls))
    return worst


def measure_all() -> None:
    """Measure, and end with status 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=LARGE)
    arguments = parser.parse_args()
    quiet()
    print(f"{'a callback':24}{'without':>12}{'more with':>13}{'of it calls':>13}{'share':>10}")
    share = _on_both(lambda kind, urls: asyncio.run(recording(kind, urls[0])))
    print(f"\nlargest share of an accepted one {share:.1%}, limit {LIMIT_SHARE:.0%}\n")
    print(f"{'shared gauges':12}{SMALL:>12}{arguments.orders:>13}{'ratio':>10}")
    ratio = _on_both(lambda kind, urls: asyncio.run(telling(kind, urls, arguments.orders)))
    print(f"\nworst ratio {ratio:.2f}, limit {LIMIT_RATIO}")
    sys.exit(share > LIMIT_SHARE or ratio > LIMIT_RATIO)


if __name__ == "__main__":
    measure_all()
