"""`make simulate`: many seeds on all processors, seeds per second, and the first failing seed's trace."""

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from tests.databases import PostgresServer, SqliteFiles, in_memory
from tests.simulation.habits import HABITS, PLACID
from tests.simulation.run import DRAWN, Simulation, simulate

TRACE_LINES = 200
SQLITE_SHARE = 10
POSTGRESQL_SHARE = 50
"""Seeds that are lived through on one server."""


def quiet() -> None:
    """Leave out the service's log: the trace tells enough."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


@dataclass(frozen=True)
class Share:
    """Some of the seeds, for one process at a time."""

    seeds: range
    habits: str | None
    template: Path | None
    """A migrated SQLite file to copy; None for PostgreSQL."""

    def lives(self) -> Iterator[Simulation]:
        """Live through each seed on a database of its own."""
        place = self.template.parent if self.template else in_memory()
        with tempfile.TemporaryDirectory(prefix="presshook-simulation-", dir=place) as folder:
            yield from self._on_sqlite(Path(folder)) if self.template else self._on_postgresql(Path(folder))

    def _on_sqlite(self, folder: Path) -> Iterator[Simulation]:
        files = SqliteFiles(folder, self.template)
        for seed in self.seeds:
            with files.migrated_url() as url:
                yield simulate(seed, url, habits=self.habits)

    def _on_postgresql(self, folder: Path) -> Iterator[Simulation]:
        server = PostgresServer(folder)
        try:
            for seed in self.seeds:
                with server.migrated_url() as url:
                    yield simulate(seed, url, habits=self.habits)
        finally:
            server.stop()


@dataclass(frozen=True)
class Told:
    """What is told of a life; the trace only of one that failed."""

    seed: int
    counts: Counter[str]
    violation: str | None
    trace: list[str]


def work(share: Share) -> list[Told]:
    """Live through a share of the seeds, and tell what came of them."""
    quiet()
    return [
        Told(life.seed, life.told(), life.violation, life.trace if life.violation else [])
        for life in share.lives()
    ]


def live_through(shares: Sequence[Share], processes: int, *, until_failed: bool) -> Told | None:
    """Live through all shares, telling how it goes; return the first life that failed."""
    began = time.monotonic()
    done = 0
    total: Counter[str] = Counter()
    failed: Told | None = None
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for results in pool.imap(work, shares):
            for life in results:
                done += 1
                total.update(life.counts)
                if failed is None and life.violation is not None:
                    failed = life
            per_second = done / (time.monotonic() - began)
            told = ", ".join(f"{number} {name}" for name, number in total.items() if name != "seeds")
            print(f"\r{done} seeds, {per_second:.2f} a second, {told}", end="", flush=True)
            if failed is not None and until_failed:
                break
    print()
    return failed


def main() -> None:
    """Simulate, and end with status 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--habits", action="store_true", help="draw CloudPress's habits from the seed too")
    parser.add_argument("--habit", choices=[*HABITS, PLACID], help="give every world this habit alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--until-failed", action="store_true", help="stop at the first seed that fails")
    arguments = parser.parse_args()
    habits: str | None = arguments.habit or (DRAWN if arguments.habits else None)
    is_sqlite = arguments.database == "sqlite"
    if not is_sqlite:
        print("On PostgreSQL a seed draws what happens, not the order of answers: it may not repeat.")
    size = POSTGRESQL_SHARE if not is_sqlite else 1 if arguments.until_failed else SQLITE_SHARE
    last = arguments.first + arguments.seeds
    with tempfile.TemporaryDirectory(prefix="presshook-simulation-", dir=in_memory()) as folder:
        template = SqliteFiles(Path(folder)).template if is_sqlite else None
        shares = [
            Share(range(first, min(first + size, last)), habits, template)
            for first in range(arguments.first, last, size)
        ]
        failed = live_through(shares, arguments.processes, until_failed=arguments.until_failed)
    if failed is None:
        return
    print(f"\nseed {failed.seed}: {failed.violation}", *failed.trace[-TRACE_LINES:], sep="\n")
    having = f" --habit {arguments.habit}" if arguments.habit else " --habits" if arguments.habits else ""
    print(
        f"\nagain: python -m tests.simulation --first {failed.seed} --seeds 1 "
        f"--database {arguments.database}{having}"
    )
    sys.exit(1)
