"""A process that serves is spared what libraries load for uses of theirs that it has none for."""

import subprocess
import sys

import pytest

# As the program's entrance does, up to where the command would run.
LOAD = """
import sys
from app.cli import COMMANDS, SERVING, command_line
from app.cli.sparing import load_sparingly
if COMMANDS[sys.argv[1]] in SERVING:
    load_sparingly()
command_line([sys.argv[1]])
print(*sys.modules)
"""
SPARED = {"rich", "pygments", "httpx._main", "jinja2"}


def loaded(command: str, then: str = "") -> set[str]:
    """Return the modules that a command has loaded by the time it runs."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD + then, command], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_what_serves_loads_nothing_for_terminals(command: str) -> None:
    modules = loaded(command)
    assert modules & {"httpx", "structlog", "app.main"} == {"httpx", "structlog", "app.main"}
    assert not modules & SPARED


def test_what_was_left_out_is_found_by_whoever_wants_it_later() -> None:
    assert "rich.console" in loaded("serve", "import rich.console; print(rich.console.__name__)")


def test_a_command_that_lays_something_out_loads_what_does() -> None:
    assert "rich" in loaded("orders")
