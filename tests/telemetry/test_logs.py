"""The log as a person at a terminal sees it."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from app.telemetry.logs import Unfailing

FAILING = """
import logging
import structlog
from app.telemetry.logs import configure_logging

configure_logging()

def connect(token):
    raise RuntimeError("cannot connect")

try:
    connect("s3cr3t-" + "token")
except RuntimeError:
    structlog.get_logger().exception("ours")
    logging.getLogger("library").exception("theirs")
"""


def read_terminal(reading: int) -> str:
    """Return what is written to a terminal until nobody holds it open any more."""
    shown = b""
    # Linux tells the end by an error.
    with suppress(OSError):
        while some := os.read(reading, 65536):
            shown += some
    return shown.decode()


def test_a_traceback_on_a_terminal_shows_no_local_variable(tmp_path: Path) -> None:
    reading, terminal = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", FAILING], stderr=terminal, cwd=tmp_path):
        os.close(terminal)
        shown = read_terminal(reading)
    os.close(reading)
    assert shown.count("RuntimeError: cannot connect") == 2
    assert "s3cr3t" not in shown


FOREIGN = """
import structlog
from app.telemetry.logs import configure_logging

configure_logging()
structlog.get_logger().info("status_unknown", status="\\x1b[31mred\\r\\nforged\\x9b2J")
"""


def test_foreign_text_in_the_log_is_not_obeyed_by_a_terminal(tmp_path: Path) -> None:
    reading, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", FOREIGN], stderr=terminal, cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}
    ):
        os.close(terminal)
        shown = read_terminal(reading)
    os.close(reading)
    assert "\\u001b[31mred\\u000d\\u000aforged\\u009b2J" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("level", ["info", "warning", "error", "critical"])
@pytest.mark.parametrize("fault", [OSError(28, "No space left"), BrokenPipeError(), ValueError("x")])
def test_no_line_that_cannot_be_written_changes_anything(level: str, fault: Exception) -> None:
    def fail(*_arguments: object) -> str:
        raise fault

    before = structlog.get_config()
    structlog.configure(processors=[fail], wrapper_class=Unfailing, cache_logger_on_first_use=False)
    try:
        getattr(structlog.get_logger(), level)("something_happened", of=fail)
    finally:
        structlog.configure(**before)
