"""`make prove`: the long form of every proof, one after the other, and one table of what came of them.

It takes hours. No failure stops it; what each proof said is kept in a file of its own.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALONE = ("pytest", "-n0", "-q", "-s")
# What each says at its end: pytest, the simulation (again and again as it goes on), the mutations.
SUMMARY = re.compile(r"^.*\d (?:passed|failed|errors?)\b.* in [\d.]+s.*$", re.MULTILINE)
NOT_PASSED = re.compile(r"(\d+) (?:failed|errors?)\b")
LIVED = re.compile(r"^\d+ seeds, .* (\d+) failed\b", re.MULTILINE)
CAUGHT = re.compile(r"^(\d+) of (\d+) caught$", re.MULTILINE)


@dataclass(frozen=True)
class Proof:
    """What `python -m` runs, and how much of it."""

    name: str
    amount: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """What came of a proof."""

    proof: Proof
    failures: int
    seconds: float

    def row(self) -> str:
        """Return it as a row of the table."""
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        took = f"{hours}:{minutes:02}:{seconds:02}"
        return f"| {self.proof.name} | {self.proof.amount} | {self.failures} | {took} |"


def proofs(sizes: argparse.Namespace) -> tuple[Proof, ...]:
    """Return every proof, as long as is asked for."""

    def simulation(database: str, seeds: int, *more: str) -> tuple[str, ...]:
        return ("tests.simulation", "--database", database, "--seeds", str(seeds), *more)

    def killing(which: str) -> Proof:
        return Proof(
            f"`kill -9`, {which}",
            f"{sizes.orders} orders",
            (*ALONE, "tests/e2e/test_kill.py", "-k", which),
            {"PRESSHOOK_KILL_ORDERS": str(sizes.orders)},
        )

    return (
        Proof("all tests, as `make test` runs them", "all", ("pytest", "-q")),
        Proof("simulation, SQLite", f"{sizes.seeds} seeds", simulation("sqlite", sizes.seeds)),
        Proof(
            "simulation with CloudPress's habits, SQLite",
            f"{sizes.seeds // 10} seeds",
            simulation("sqlite", sizes.seeds // 10, "--habits"),
        ),
        Proof(
            "simulation, PostgreSQL",
            f"{sizes.postgresql_seeds} seeds",
            simulation("postgresql", sizes.postgresql_seeds),
        ),
        killing("sqlite"),
        killing("postgresql"),
        killing("replicas"),
        Proof(
            "schemathesis",
            f"{sizes.examples} examples an operation",
            (*ALONE, "tests/e2e/test_schemathesis.py"),
            {"PRESSHOOK_EXAMPLES": str(sizes.examples)},
        ),
        Proof(
            "sequences of observations",
            f"{sizes.sequences} sequences",
            (*ALONE, "tests/test_states_sequences.py"),
            {"PRESSHOOK_SEQUENCES": str(sizes.sequences)},
        ),
        Proof("mutations", "all", ("tests.mutations",)),
    )


def failures_of(said: str, status: int) -> int:
    """Return how many failures a proof told of at its end; at least one if its status says that it failed."""
    told = 0
    for summary in SUMMARY.findall(said)[-1:]:
        told += sum(int(number) for number in NOT_PASSED.findall(summary))
    told += sum(int(failed) for failed in LIVED.findall(said)[-1:])
    told += sum(int(of) - int(caught) for caught, of in CAUGHT.findall(said))
    return max(told, 0 if status == 0 else 1)


def run(proof: Proof, log: Path) -> Ended:
    """Run a proof to its end."""
    began = time.monotonic()
    with log.open("w") as file:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *proof.command],
            cwd=ROOT,
            env={**os.environ, **proof.environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = log.read_text(errors="replace").replace("\r", "\n")
    return Ended(proof, failures_of(said, ended.returncode), time.monotonic() - began)


def main() -> None:
    """Run every proof, and end with status 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="of the simulation on SQLite")
    parser.add_argument("--postgresql-seeds", type=int, default=500, help="of that on PostgreSQL")
    parser.add_argument("--orders", type=int, default=300, help="under kill -9, on each database")
    parser.add_argument("--examples", type=int, default=500, help="of schemathesis, for each operation")
    parser.add_argument("--sequences", type=int, default=20_000, help="of observations")
    folder = Path(tempfile.mkdtemp(prefix="presshook-proofs-"))
    print(f"what each proof says is in {folder}", file=sys.stderr)
    ended = []
    for number, proof in enumerate(proofs(parser.parse_args()), 1):
        print(f"{proof.name}: {proof.amount} …", file=sys.stderr, flush=True)
        ended.append(run(proof, folder / f"{number}.log"))
        print(ended[-1].row(), file=sys.stderr, flush=True)
    print("| what | how much | failures | time |", "|---|---|---|---|", *(it.row() for it in ended), sep="\n")
    sys.exit(1 if any(it.failures for it in ended) else 0)


if __name__ == "__main__":
    main()
