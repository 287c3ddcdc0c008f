"""Which modules a command loads."""

import json
import subprocess
import sys

import pytest

from app.cli import COMMANDS

SERVICE = {"sqlalchemy", "fastapi", "alembic", "uvicorn"}
LOADED = """
import json, sys
from app.cli import main
sys.argv = ["presshook", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""


def loaded(*arguments: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", ["orders", "accounts"])
def test_a_client_waits_for_no_service_to_load(command: str) -> None:
    assert not SERVICE & loaded(command, "list", "--url", "http://127.0.0.1:9", "--key", "k")


def test_the_help_tells_every_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "app", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(f" {name} " in shown for name in COMMANDS)


def test_the_release_is_told_without_loading_any_command() -> None:
    assert not SERVICE & loaded("--version")
