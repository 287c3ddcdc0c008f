"""`make simulate`: many seeds on all processors, seeds per second, and the first failing seed's trace."""

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from tests.databases import PostgresServer, SqliteFiles
from tests.simulation.run import Simulation, simulate

TRACE_LINES = 200


def quiet() -> None:
    """Leave out the service's log: the trace tells enough."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)


def lives(database: str, seeds: range) -> Iterator[Simulation]:
    """Live through each seed on a database of its own."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    folder_of_memory = memory if database == "sqlite" and memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="presshook-simulation-", dir=folder_of_memory) as folder:
        if database == "sqlite":
            files = SqliteFiles(Path(folder))
            for seed in seeds:
                with files.migrated_url() as url:
                    yield simulate(seed, url)
                    files.remove(url)
            return
        server = PostgresServer(Path(folder))
        try:
            for seed in seeds:
                with server.migrated_url() as url:
                    yield simulate(seed, url)
        finally:
            server.stop()


def work(task: tuple[str, range]) -> list[tuple[int, int, int, str | None, list[str]]]:
    """Live through a share of the seeds, and tell what came of them."""
    quiet()
    return [
        (life.seed, life.crashes, len(life.accepted), life.violation, life.trace if life.violation else [])
        for life in lives(*task)
    ]


def main() -> None:
    """Simulate, and end with status 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    arguments = parser.parse_args()
    share = 10 if arguments.database == "sqlite" else 50
    last = arguments.first + arguments.seeds
    shares = [range(seed, min(seed + share, last)) for seed in range(arguments.first, last, share)]
    began = time.monotonic()
    done = crashes = orders = 0
    failed: list[tuple[int, str, list[str]]] = []
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for results in pool.imap(work, [(arguments.database, seeds) for seeds in shares]):
            for seed, crashed, ordered, violation, trace in results:
                done, crashes, orders = done + 1, crashes + crashed, orders + ordered
                if violation:
                    failed.append((seed, violation, trace))
            per_second = done / (time.monotonic() - began)
            print(f"\r{done} seeds, {per_second:.2f} a second, {orders} orders, {crashes} crashes, ", end="")
            print(f"{len(failed)} failed", end="", flush=True)
    print()
    for seed, violation, trace in failed[:1]:
        print(f"\nseed {seed}: {violation}", *trace[-TRACE_LINES:], sep="\n")
        print(f"\nagain: make simulate FIRST={seed} SEEDS=1 DATABASE={arguments.database}")
    sys.exit(bool(failed))
