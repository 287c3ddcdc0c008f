"""Breaks the code on purpose, one rule at a time, and sees which proof fails: `python -m tests.mutations`.

Each mutation is applied to a copy of the tree, in which its proof runs. One that survives shows that the
proof proves nothing of that rule. `python -m tests.mutations NAME…` runs some.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("app", "tests", "migrations", "alembic.ini", "pyproject.toml", "docs")
SEEDS = 150
SEED = re.compile(r"^seed (\d+): (.*)$", re.MULTILINE)
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)

SIMULATION = ("tests.simulation", "--until-failed", "--seeds", str(SEEDS))
PYTEST = ("pytest", "-n0", "-q", "-x", "-p", "no:cacheprovider")
STATES = (*PYTEST, "tests/test_states.py", "tests/test_states_sequences.py")
LEASES = (*PYTEST, "tests/queue/test_leases.py")
FAULTS = (*PYTEST, "tests/reconciler/faults", "-k", "sqlite")


@dataclass(frozen=True)
class Mutation:
    """A rule, how its code is broken, and the proof that has to notice."""

    name: str
    file: str
    old: str
    new: str
    proof: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "release-ignores-wakes",
        "app/queue/leases.py",
        "woken = row.wakes != claim.wakes",
        "woken = False",
        LEASES,
    ),
    Mutation(
        "hold-ignores-the-token",
        "app/queue/leases.py",
        ".where(table.id == claim.row.id, table.lease_token == claim.token)",
        ".where(table.id == claim.row.id)",
        LEASES,
    ),
    Mutation(
        "retry-after-ignored-by-wakes",
        "app/orders/waking.py",
        "order.due_at = max(tx.now, order.not_before or tx.now)",
        "order.due_at = tx.now",
        LEASES,
    ),
    Mutation(
        "make-due-announces-nothing",
        "app/orders/waking.py",
        "order.not_before or tx.now)\n    tx.announce(due=Order)",
        "order.not_before or tx.now)",
        SIMULATION,
    ),
    Mutation(
        "callbacks-do-not-forbid-placing-again",
        "app/states/observations.py",
        "evidence = self.candidates or self.suspects or self.called_back or self.trouble",
        "evidence = self.candidates or self.suspects or self.trouble",
        STATES,
    ),
    Mutation(
        "one-look-up-is-enough",
        "app/states/observations.py",
        "LOOK_UPS_BEFORE_PLACING_AGAIN = 2",
        "LOOK_UPS_BEFORE_PLACING_AGAIN = 1",
        STATES,
    ),
    Mutation(
        "grace-ignored",
        "app/states/observations.py",
        "self.last_look_up_at is not None and self.last_look_up_at >= self.grace_ends_at",
        "self.last_look_up_at is not None",
        SIMULATION,
    ),
    Mutation(
        "500-is-not-sent",
        "app/states/words.py",
        "if status == 408 or status >= 500 or status < 300:\n        return PostOutcome.UNKNOWN",
        "if status == 408 or status >= 500 or status < 300:\n        return PostOutcome.NOT_SENT",
        SIMULATION,
    ),
    Mutation(
        "500-is-not-sent (faults)",
        "app/states/words.py",
        "if status == 408 or status >= 500 or status < 300:\n        return PostOutcome.UNKNOWN",
        "if status == 408 or status >= 500 or status < 300:\n        return PostOutcome.NOT_SENT",
        (*FAULTS, "-k", "test_placing and sqlite"),
    ),
    Mutation(
        "cut-off-is-sent-again",
        "app/states/deciding.py",
        "case CutOff():\n            return Decision(UNCONFIRMED, Wait.LOOK_UP)",
        "case CutOff():\n            return Decision(PENDING, Wait.TURN)",
        SIMULATION,
    ),
    Mutation(
        "look-ups-know-no-age",
        "app/reconciler/evidence.py",
        "return age <= sent.now - sent.first_sent_at + CLOCK_TOLERANCE",
        "return bool(age or sent)",
        SIMULATION,
    ),
    Mutation(
        "intent-not-committed",
        "app/reconciler/placing.py",
        "        return intent\n",
        "        tx.session.expunge_all()\n        await tx.session.rollback()\n        return intent\n",
        SIMULATION,
    ),
    Mutation(
        "answer-written-only-under-the-lease",
        "app/reconciler/placing.py",
        "        await _write_placement(tx, order, intent, posted)\n",
        "        if order.lease_token == this.claim.token:\n"
        "            await _write_placement(tx, order, intent, posted)\n",
        SIMULATION,
    ),
    Mutation(
        "answers-with-anothers-order-believed",
        "app/reconciler/placing.py",
        "        posted = await _unless_held_by_another(tx, order, posted)\n",
        "",
        SIMULATION,
    ),
    Mutation(
        "adoption-of-held-orders",
        "app/reconciler/confirming.py",
        "if unsure or await held_among(tx.session, order, order_ids[:1]):",
        "if unsure:",
        SIMULATION,
    ),
    Mutation(
        "deliveries-forgotten",
        "app/webhooks/outbox.py",
        "            tx.events.append(_new(tx, webhook.id, event))",
        "            _new(tx, webhook.id, event)",
        SIMULATION,
    ),
)


def copy_tree(folder: Path) -> None:
    """Copy what the proofs need."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.db", ".hypothesis")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=unwanted)
        else:
            shutil.copy(source, folder / name)


def run(mutation: Mutation) -> bool:
    """Apply a mutation to a copy, run its proof there, and tell whether it was caught."""
    with tempfile.TemporaryDirectory(prefix="presshook-mutation-") as name:
        folder = Path(name)
        copy_tree(folder)
        file = folder / mutation.file
        text = file.read_text()
        if text.count(mutation.old) != 1:
            sys.exit(f"{mutation.name}: the old text is {text.count(mutation.old)} times in {mutation.file}")
        file.write_text(text.replace(mutation.old, mutation.new))
        began = time.monotonic()
        ended = prove(folder, mutation.proof)
        told = SEED.search(ended.stdout) or FAILED.search(ended.stdout)
        caught = ended.returncode == 1 and told is not None
        by = told.group(0)[:180] if told else ended.stderr.strip()[-180:]
        if caught and mutation.proof is SIMULATION and fails_unbroken(told.group(1) if told else ""):
            caught, by = False, f"the seed fails unbroken too: {by}"
        verdict = "caught  " if caught else "SURVIVED"
        print(f"{verdict} {mutation.name} ({time.monotonic() - began:.0f} s): {by}", flush=True)
        return caught


def prove(folder: Path, proof: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run a proof on the tree in a folder."""
    # `-m` puts the folder first, so that the copy is what is imported, not what is installed.
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *proof],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def fails_unbroken(seed: str) -> bool:
    """Tell whether a seed fails without any mutation, so that it proves nothing."""
    return prove(ROOT, ("tests.simulation", "--seeds", "1", "--first", seed)).returncode != 0


def main() -> None:
    """Run the mutations that are named, or all; end with status 1 if any survived."""
    wanted = [it for it in MUTATIONS if not sys.argv[1:] or it.name in sys.argv[1:]]
    if not wanted:
        sys.exit(f"there are: {', '.join(it.name for it in MUTATIONS)}")
    caught = [run(mutation) for mutation in wanted]
    print(f"{sum(caught)} of {len(caught)} caught")
    sys.exit(0 if all(caught) else 1)


if __name__ == "__main__":
    main()
