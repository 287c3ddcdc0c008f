"""`make simulate`: many seeds on all processors, seeds per second, and the first failing seed's trace."""

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from tests.databases import PostgresServer, SqliteFiles
from tests.simulation.habits import HABITS, PLACID
from tests.simulation.run import DRAWN, Simulation, simulate

TRACE_LINES = 200


def quiet() -> None:
    """Leave out the service's log: the trace tells enough."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


def lives(database: str, seeds: range, habits: str | None) -> Iterator[Simulation]:
    """Live through each seed on a database of its own."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    folder_of_memory = memory if database == "sqlite" and memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="presshook-simulation-", dir=folder_of_memory) as folder:
        if database == "sqlite":
            files = SqliteFiles(Path(folder))
            for seed in seeds:
                with files.migrated_url() as url:
                    yield simulate(seed, url, habits=habits)
                    files.remove(url)
            return
        server = PostgresServer(Path(folder))
        try:
            for seed in seeds:
                with server.migrated_url() as url:
                    yield simulate(seed, url, habits=habits)
        finally:
            server.stop()


@dataclass(frozen=True)
class Told:
    """What is told of a life; the trace only of one that failed."""

    seed: int
    counts: Counter[str]
    violation: str | None
    trace: list[str]


def work(task: tuple[str, range, str | None]) -> list[Told]:
    """Live through a share of the seeds, and tell what came of them."""
    quiet()
    return [
        Told(
            life.seed,
            life.told(),
            life.violation,
            life.trace if life.violation else [],
        )
        for life in lives(*task)
    ]


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
    share = 50 if arguments.database == "postgresql" else 1 if arguments.until_failed else 10
    if arguments.database == "postgresql":
        print("On PostgreSQL a seed draws what happens, not the order of answers: it may not repeat.")
    last = arguments.first + arguments.seeds
    shares = [range(seed, min(seed + share, last)) for seed in range(arguments.first, last, share)]
    began = time.monotonic()
    done = 0
    total: Counter[str] = Counter()
    failed: Told | None = None
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for results in pool.imap(work, [(arguments.database, seeds, habits) for seeds in shares]):
            for life in results:
                done += 1
                total.update(life.counts)
                if failed is None and life.violation is not None:
                    failed = life
            per_second = done / (time.monotonic() - began)
            told = ", ".join(f"{number} {name}" for name, number in total.items() if name != "seeds")
            print(f"\r{done} seeds, {per_second:.2f} a second, {told}", end="", flush=True)
            if failed is not None and arguments.until_failed:
                break
    print()
    if failed is not None:
        print(f"\nseed {failed.seed}: {failed.violation}", *failed.trace[-TRACE_LINES:], sep="\n")
        having = f" --habit {arguments.habit}" if arguments.habit else " --habits" if arguments.habits else ""
        print(
            f"\nagain: python -m tests.simulation --first {failed.seed} --seeds 1 "
            f"--database {arguments.database}{having}"
        )
        sys.exit(1)
