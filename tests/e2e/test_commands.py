"""The installed program: its commands, how it starts, and how it ends."""

import asyncio
import errno
import json
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.server.listening import REASONS, address, listen
from tests.e2e.conftest import answers, environment, free_url, port_of, program
from tests.harness import eventually
from tests.programs import PRESSHOOK, run
from tests.settings import CLOUDPRESS_ACCOUNT
from tests.sse import stream

ORDER = {"site": {"name": "Site", "variant": "vanilla"}}
SHUTDOWN_SECONDS = 10
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"SECRET_KEY": ""}, "presshook: SECRET_KEY: is not set"),
        ({"LEASE_SECONDS": "soon"}, "presshook: LEASE_SECONDS: "),
        ({"DATABASE_URL": "oracle://s3cr3t"}, "presshook: DATABASE_URL: "),
        ({"DATABASE_URL": "postgresql://u:s3cr3t@127.0.0.1:9/db?foo=1"}, "presshook: DATABASE_URL: "),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_line(
    tmp_path: Path, command: str, change: dict[str, str], line: str
) -> None:
    env = environment("sqlite:///test.db") | change
    ended = run(command, env=env, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
    assert "s3cr3t" not in ended.stderr


AS_FIRST_PROCESS = """
import builtins, os, sys, time
os.getpid = lambda: 1
sys.path.insert(0, os.getcwd())
import presshook
def load(name, *arguments):
    print("loading", flush=True)
    time.sleep(60)
builtins.__import__, sys.argv = load, ["presshook", "serve"]
presshook.main()
"""


def test_a_container_can_be_stopped_while_its_program_still_loads() -> None:
    """To its first process the kernel passes on no signal that nothing takes, so it takes this one."""
    with subprocess.Popen(
        [sys.executable, "-c", AS_FIRST_PROCESS], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM


@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_a_port_that_cannot_be_is_refused_in_words(tmp_path: Path, command: str) -> None:
    ended = run(command, "--port", "99999", env=environment("sqlite:///test.db"), cwd=tmp_path)
    assert ended.returncode == 2
    assert "'--port'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_a_port_in_use_is_one_line_and_nothing_is_begun(tmp_path: Path, command: str) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = port_of(address(taken))
        ended = run(command, "--port", port, env=environment("sqlite:///test.db"), cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (f"presshook: cannot listen on 127.0.0.1:{port}: {REASONS[errno.EADDRINUSE]}\n")
    assert list(tmp_path.iterdir()) == [], "no database was made for a service that does not start"


def test_the_release_is_told(tmp_path: Path) -> None:
    ended = subprocess.run([PRESSHOOK, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert ended.stdout == f"presshook {project['version']}\n"
    label = f'org.opencontainers.image.version="{project["version"]}"'
    assert label in (Path(__file__).parents[2] / "Dockerfile").read_text()


@pytest.mark.parametrize("by", [[PRESSHOOK], [sys.executable, "-m", "presshook"]], ids=["script", "module"])
def test_packages_of_the_same_names_elsewhere_hide_nothing(tmp_path: Path, by: list[str | Path]) -> None:
    for name in ("app", "migrations"):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('this is not Presshook')\n")
    env = environment("sqlite:///test.db") | {"PYTHONPATH": f"{tmp_path}:."}
    for command in (["--version"], ["migrate"], ["keys", "create", "shop"]):
        ended = subprocess.run(
            [*by, *command], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, "RuntimeError" in ended.stderr) == (0, False), ended.stderr


def test_keys_need_no_settings_but_the_database(tmp_path: Path) -> None:
    env = environment("sqlite:///test.db")
    do = partial(run, cwd=tmp_path, check=True)
    do("migrate", env=env)
    alone = {name: env[name] for name in ("PATH", "DATABASE_URL")}
    made = do("keys", "create", "shop", env=alone)
    assert made.stdout.startswith("phk_")
    assert json.loads(do("keys", "list", "--json", env=alone).stdout)[0]["name"] == "shop"


def test_an_account_that_nothing_here_knows_is_told_of(tmp_path: Path) -> None:
    """It may be mistyped; or be stored later, so the key is made."""
    env = environment("sqlite:///test.db")
    do = partial(run, cwd=tmp_path, check=True)
    do("migrate", env=env)
    made = do("keys", "create", "shop", "--account", "acct-tipsy", "--account", CLOUDPRESS_ACCOUNT, env=env)
    assert made.stdout.startswith("phk_")
    assert "No token is stored for the account acct-tipsy " in made.stderr
    assert f"account {CLOUDPRESS_ACCOUNT} " not in made.stderr
    made = do("keys", "create", "shop", "--account", CLOUDPRESS_ACCOUNT, env=env)
    assert "No token" not in made.stderr


def test_migrating_what_a_newer_release_has_migrated_is_nothing_to_do(tmp_path: Path) -> None:
    env = environment("sqlite:///test.db")

    def migrate() -> str:
        ended = run("migrate", env=env, cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    assert migrate() == "The database is up to date.\n"
    with closing(sqlite3.connect(tmp_path / "test.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert migrate() == "A newer release has migrated the database: there is nothing to do.\n"


def test_a_database_that_cannot_be_opened_is_said_in_one_line(tmp_path: Path) -> None:
    env = environment("sqlite:////no/such/folder/test.db")
    ended = run("serve", "--port", port_of(free_url()), env=env, cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "DATABASE_URL: the database cannot be migrated: unable to open database file" in ended.stderr


NO_NAME = "The key cannot be made.\n  name: "
NO_KEY = "This cannot be an API key, which is one word of ASCII: set PRESSHOOK_API_KEY or --key.\n"
AT_MOST = "Input should be less than or equal to"
A_KEY = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("keys", "create", "k", "--expires-in-days", "99999999"),
            2,
            f"'--expires-in-days': {AT_MOST} 36500",
        ),
        (("keys", "rotate", A_KEY, "--grace-hours", "inf"), 2, f"'--grace-hours': {AT_MOST} 720"),
        (("keys", "rotate", A_KEY, "--grace-hours", "1e9"), 2, f"'--grace-hours': {AT_MOST} 720"),
        (("keys", "rotate", A_KEY, "--grace-hours", "nan"), 2, f"'--grace-hours': {AT_MOST} 720"),
        (("keys", "create", ""), 1, f"{NO_NAME}String should have at least 1 character\n"),
        (("keys", "create", "a\nb"), 1, f"{NO_NAME}must not hold control characters\n"),
        (("keys", "create", "API_KEY"), 1, f"{NO_NAME}is reserved: timelines would not tell"),
        (("keys", "create", "k", "--account", ""), 1, "  --account: String should have at least"),
        (("orders", "list", "--key", "clé"), 1, NO_KEY),
        (("orders", "list", "--key", "a-key\n"), 1, NO_KEY),
        (("orders", "list", "--key", ""), 1, NO_KEY),
        (("listen", "--forward-to", "http://127.0.0.1:9", "--key", "clé"), 1, NO_KEY),
        (
            ("orders", "place", "x", "--idempotency-key", "é"),
            1,
            "an option holds characters that cannot be sent",
        ),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    env = environment("sqlite:///unused.db") | {"COLUMNS": "200", "PYTHONUTF8": "1"}
    ended = run(*arguments, env=env, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_the_service_orders_from_the_sandbox(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    service_url, sandbox_url = free_url(), free_url()
    sandbox = ["sandbox", "--port", port_of(sandbox_url), "--task-seconds", "0.1"]
    env = environment(database_url, sandbox_url, PUBLIC_URL=service_url)
    env |= {"CLOUDPRESS_API_TOKEN": "sandbox-token", "CLOUDPRESS_ACCOUNT_ID": "sandbox-account"}
    with (
        program(*sandbox, env=env, cwd=tmp_path),
        program("worker", env=env, cwd=tmp_path),
        program("serve", "--no-reconciler", "--port", port_of(service_url), env=env, cwd=tmp_path),
    ):
        async with httpx.AsyncClient(base_url=service_url, headers=api_headers, timeout=30) as client:
            await answers(client, "/readyz", 200)
            async with httpx.AsyncClient(base_url=sandbox_url) as cloudpress:
                await answers(cloudpress, "/", 200)
            placed = await client.post("/v1/orders", json=ORDER, headers={"Prefer": "wait=20"})
            assert placed.status_code == 201, placed.text

            async def status() -> str:
                return str((await client.get(placed.headers["location"])).json()["status"])

            await eventually(status, lambda seen: seen == "completed")


async def test_a_database_that_is_behind_is_waited_for(empty_database_url: str, tmp_path: Path) -> None:
    # On SQLite `serve` migrates by itself.
    expected_first = 200 if empty_database_url.startswith("sqlite") else 503
    url = free_url()
    env = environment(empty_database_url)
    with program("serve", "--port", port_of(url), env=env, cwd=tmp_path):
        async with httpx.AsyncClient(base_url=url) as client:
            await answers(client, "/livez", 200)
            assert (await client.get("/readyz")).status_code == expected_first
            await asyncio.to_thread(run, "migrate", env=env, cwd=tmp_path, check=True)
            await answers(client, "/readyz", 200)


async def test_sigterm_answers_who_waits_and_ends_cleanly(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    url = free_url()
    with program("serve", "--port", port_of(url), env=environment(database_url), cwd=tmp_path) as process:
        async with httpx.AsyncClient(base_url=url, headers=api_headers, timeout=60) as client:
            await answers(client, "/readyz", 200)
            waiting = asyncio.create_task(
                client.post("/v1/orders", json=ORDER, headers={"Prefer": "wait=30"})
            )

            async def log() -> str:
                return (tmp_path / "serve.log").read_text()

            # Its first try to place the order has failed, so the request waits for the second.
            await eventually(log, lambda text: '"event": "pass"' in text)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            answer = await waiting
            assert answer.status_code == 202
        assert await asyncio.to_thread(process.wait, SHUTDOWN_SECONDS) == 0
        assert time.monotonic() - began < SHUTDOWN_SECONDS


async def test_sigterm_ends_open_streams(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    url = free_url()
    with program("serve", "--port", port_of(url), env=environment(database_url), cwd=tmp_path) as process:
        async with httpx.AsyncClient(base_url=url, headers=api_headers, timeout=60) as client:
            await answers(client, "/readyz", 200)
            async with stream(client, "/v1/events") as opened, stream(client, "/v1/events") as unread:
                process.send_signal(signal.SIGTERM)
                assert [told async for told in opened] == []
                assert await asyncio.to_thread(process.wait, SHUTDOWN_SECONDS) == 0
                assert not unread.comments


async def test_a_worker_ends_cleanly_too(database_url: str, tmp_path: Path) -> None:
    with program("worker", env=environment(database_url), cwd=tmp_path) as process:
        # Signals are taken once the loop runs; before that the signal would end it the hard way.
        async def handlers() -> bool:
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
            return bool(int(caught.split()[1], 16) & (1 << (signal.SIGTERM - 1)))

        await eventually(handlers, bool)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, SHUTDOWN_SECONDS) == 0


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_the_file_asks_for_traces_as_the_environment_does(
    database_url: str, tmp_path: Path, command: str
) -> None:
    """What cannot be sent is said, and so that it was asked for."""
    asked = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9\nOTEL_EXPORTER_OTLP_PROTOCOL=grpc\n"
    (tmp_path / ".env").write_text(asked)
    line = [command, "--port", port_of(free_url())] if command == "serve" else [command]
    with program(*line, env=environment(database_url), cwd=tmp_path):

        async def said() -> str:
            return (tmp_path / f"{command}.log").read_text()

        await eventually(said, lambda log: "OTEL_EXPORTER_OTLP_PROTOCOL has to be" in log)


def test_the_demo_ends_as_expected_whatever_the_environment_says(tmp_path: Path) -> None:
    env = {"PATH": environment("")["PATH"], "COLUMNS": "200"}
    env |= {"LEASE_SECONDS": "soon", "RATE_LIMIT": "1/hour", "PLACING": "perhaps", "CORS_ORIGINS": "nowhere"}
    ended = subprocess.run(
        [PRESSHOOK, "demo", "--once"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "As expected: 6 orders" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_ends_as_expected_where_a_proxy_leads_out(tmp_path: Path) -> None:
    """All of it is on this machine, where the service itself asks no proxy. Nobody listens at this one."""
    proxy = "http://127.0.0.1:9"
    env = {"PATH": environment("")["PATH"], "COLUMNS": "200", "HTTP_PROXY": proxy, "http_proxy": proxy}
    ended = subprocess.run(
        [PRESSHOOK, "demo", "--once"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "As expected: 6 orders" in ended.stdout
