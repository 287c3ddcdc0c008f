"""Runs the mutations side by side, each in a copy of the tree, and prints one table."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import Failure, Proof
from tests.mutations.rows import MUTATIONS

ROOT = Path(__file__).parents[2]
UNWANTED = shutil.ignore_patterns(".*", "__pycache__", "*.db", "*.egg-info", "dist", "build")
WORDS = 90


@dataclass(frozen=True)
class Ended:
    """What became of a mutation."""

    mutation: Mutation
    caught_by: str | None
    seconds: float
    why: str = ""
    """How the proofs ended that did not catch it."""

    def row(self) -> str:
        """Return it as a row of the table."""
        by = self.caught_by or f"**nothing** ({self.why})"
        return f"| {self.mutation.name} | {by.replace('|', ' ')} | {self.seconds:.0f} |"


class Trees:
    """Copies of the tree as it was when this began, whatever becomes of it meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Copy the tree into a folder."""
        self._folder = folder
        self.unbroken = folder / "unbroken"
        shutil.copytree(ROOT, self.unbroken, ignore=UNWANTED)

    def run(self, mutation: Mutation) -> Ended:
        """Break a copy and run the proofs there until one of them notices."""
        began = time.monotonic()
        copy = Path(tempfile.mkdtemp(dir=self._folder))
        shutil.copytree(self.unbroken, copy, dirs_exist_ok=True, ignore=UNWANTED)
        survived = []
        try:
            mutation.apply(copy)
            for proof in mutation.proofs:
                failure = proof.fails(copy)
                if failure is None:
                    survived.append(f"{proof.name} passes")
                elif fails_unbroken(proof, self.unbroken, failure.place):
                    survived.append(f"{proof.name} fails unbroken too, at {failure.place}")
                else:
                    return Ended(mutation, said(proof, failure), time.monotonic() - began)
        except (RuntimeError, ValueError) as error:
            survived.append(str(error))
        finally:
            shutil.rmtree(copy)
        return Ended(mutation, None, time.monotonic() - began, "; ".join(survived))


@cache
def fails_unbroken(proof: Proof, tree: Path, place: str) -> bool:
    """Tell whether a seed or a test fails without any mutation, so that it proves nothing."""
    return proof.fails(tree, place) is not None


def said(proof: Proof, failure: Failure) -> str:
    """Return which proof failed, where, and what it said."""
    place = failure.place.rpartition("::")[2]
    return f"{proof.name}, {place}: {failure.what}"[:WORDS]


def run_all(mutations: Iterable[Mutation], jobs: int) -> list[Ended]:
    """Run mutations side by side, and tell of each as it ends; return them in their own order."""
    wanted = list(mutations)
    with (
        tempfile.TemporaryDirectory(prefix="presshook-mutations-") as folder,
        ThreadPoolExecutor(jobs) as pool,
    ):
        trees = Trees(Path(folder))
        running = {pool.submit(trees.run, mutation): mutation for mutation in wanted}
        for done in as_completed(running):
            print(done.result().row(), file=sys.stderr, flush=True)
        return [done.result() for done in running]


def main() -> None:
    """Run the mutations that are named, or all; end with status 1 if any survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", help="those whose name has one of these words in it; else all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("--list", action="store_true", help="name them, and run none")
    arguments = parser.parse_args()
    names: list[str] = arguments.names
    wanted = [it for it in MUTATIONS if not names or any(name in it.name for name in names)]
    if arguments.list or not wanted:
        print(*(it.name for it in MUTATIONS), sep="\n")
        sys.exit(0 if arguments.list else 2)
    ended = run_all(wanted, arguments.jobs)
    print("| what is broken | caught by | seconds |", "|---|---|---|", *(it.row() for it in ended), sep="\n")
    caught = sum(it.caught_by is not None for it in ended)
    print(f"\n{caught} of {len(ended)} caught")
    sys.exit(0 if caught == len(ended) else 1)


if __name__ == "__main__":
    main()
