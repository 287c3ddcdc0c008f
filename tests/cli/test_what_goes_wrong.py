"""What the command line does where something goes wrong on the way."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from app.api.problems.kinds import database_away
from app.cli import command_line
from app.cli.ending import ExitCode
from app.server.listening import listen
from tests.cli.conftest import served
from tests.e2e.conftest import environment
from tests.programs import run

PROGRAM = Path(__file__).parents[2] / "presshook.py"


def test_an_order_whose_answer_was_an_error_can_be_repeated_as_the_same() -> None:
    """No order is placed twice: who is told "try again" is told by which key it is the same order."""
    keys: list[str] = []

    async def stored_but_not_known(request: Request) -> JSONResponse:
        keys.append(request.headers["idempotency-key"])
        return database_away().response()

    app = Starlette(routes=[Route("/v1/orders", stored_but_not_known, methods=["POST"])])
    with served(app) as url:
        line = ["orders", "place", "Site", "--url", url, "--key", "key"]
        said = CliRunner().invoke(command_line(["orders"]), line)
    assert said.exit_code == ExitCode.UNREACHABLE
    assert "Try again" in said.output
    [key] = set(keys)
    assert f"--idempotency-key {key}" in said.output


def started(closed: str, *arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    line = f'exec "{sys.executable}" "{PROGRAM}" {" ".join(arguments)} {closed}'
    env = environment(f"sqlite:///{tmp_path}/a.db")
    return subprocess.run(
        ["/bin/sh", "-c", line],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        cwd=tmp_path,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_program_works_whose_streams_are_closed(tmp_path: Path, closed: str) -> None:
    """Supervisors start programs so, and no file of ours is taken for what is printed."""
    ended = started(closed, "migrate", tmp_path=tmp_path)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr[-300:]
    assert (tmp_path / "a.db").read_bytes().startswith(b"SQLite format 3")


def test_a_disk_that_is_full_is_told_in_one_line(tmp_path: Path) -> None:
    """What goes wrong is said in a line, not by a traceback."""
    ended = started(">/dev/full", "--version", tmp_path=tmp_path)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("query", ["timeout=s3cr3t", "mode=ro", "nonsense=1"])
def test_an_option_of_an_sqlite_address_is_refused_or_heeded_without_a_traceback(
    tmp_path: Path, query: str
) -> None:
    """A malformed setting stops the start with one line that names it (contract, "Environment")."""
    ended = run("migrate", env=environment(f"sqlite:///a.db?{query}"), cwd=tmp_path)
    assert "Traceback" not in ended.stderr
    assert "s3cr3t" not in ended.stderr
    assert "Warning" not in ended.stderr


NO_NAMES = pytest.mark.parametrize("host", ["shop..example.com", f"{'a' * 64}.example.com"])
"""No name can be so: a label is empty or longer than 63 characters, which Python tells by a UnicodeError."""


@NO_NAMES
@pytest.mark.parametrize("name", ["PUBLIC_URL", "CLOUDPRESS_BASE_URL"])
def test_the_doctor_says_in_a_line_that_an_address_has_a_name_that_cannot_be(
    tmp_path: Path, host: str, name: str
) -> None:
    """A dot that was typed twice: `presshook doctor` is there to find it."""
    env = environment("sqlite:///a.db", **{name: f"https://{host}", "API_KEY": "kqJ3hq9Zx7Wv1Rt5Yp2Ls8Nm"})
    run("migrate", env=environment("sqlite:///a.db"), cwd=tmp_path)
    ended = run("doctor", env=env, cwd=tmp_path)
    told = ended.stdout + ended.stderr
    assert "Traceback" not in told
    assert host in told or name in told, "what is wrong is named"
    assert ended.returncode in {1, 2}


@NO_NAMES
@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_a_host_that_cannot_be_is_refused_in_a_line(tmp_path: Path, command: str, host: str) -> None:
    ended = run(command, "--host", host, env=environment("sqlite:///a.db"), cwd=tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert host in ended.stderr


@NO_NAMES
def test_a_service_whose_name_cannot_be_has_answered_nothing(tmp_path: Path, host: str) -> None:
    """It was never asked, so it is not its answer that cannot be understood."""
    ended = run("orders", "list", "--url", f"http://{host}", env=environment("sqlite:///a.db"), cwd=tmp_path)
    assert "Traceback" not in ended.stderr
    assert "answered cannot be understood" not in ended.stderr
    assert host in ended.stderr


def test_a_worker_s_port_in_use_is_told_by_the_setting_that_names_it(tmp_path: Path) -> None:
    """`worker` has no `--port`: whoever is told to use that gets a second error."""
    with closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("worker", env=environment("sqlite:///a.db", WORKER_PORT=str(port)), cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("presshook: WORKER_PORT: cannot listen on ")
    assert "something listens there already" in ended.stderr
    assert "--port" not in ended.stderr
