"""What all tests share. A test that takes `database_url` runs on SQLite and on PostgreSQL."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app import schedule
from tests.databases import PostgresServer, SqliteFiles, in_memory
from tests.harness import Sandbox, run_sandbox
from tests.one_description import describe_once
from tests.one_desk import share_a_desk
from tests.quick_dialects import ask_once
from tests.quick_servers import serve_quickly
from tests.receiver import Receiver, run_receiver
from tests.reused_databases import ReusedDatabases
from tests.short_waits import wait_shortly_first
from tests.simulation.engines import share_among_all

DATABASES = ("sqlite", "postgresql")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: whoever waits for a process or a socket leaves his to others."""
    return (os.cpu_count() or 1) + 1


# The long form of a proof takes as long as it takes; anything else that goes on for minutes hangs.
LONG_FORMS = ("PRESSHOOK_EXAMPLES", "PRESSHOOK_KILL_ORDERS", "PRESSHOOK_SEQUENCES")
if any(name in os.environ for name in LONG_FORMS):
    os.environ.setdefault("PYTEST_TIMEOUT", "0")


# What no test is about, and each would pay for anew: compiling statements and pages, describing the routes,
# waiting for uvicorn's next look, an event loop's turn for what PostgreSQL answers at once, asking it what is
# known.
QUICKER = (
    share_among_all,
    describe_once,
    share_a_desk,
    serve_quickly,
    wait_shortly_first,
    ask_once,
)


@pytest.fixture(scope="session", autouse=True)
def _quicker() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patches:
        for patch in QUICKER:
            patch(patches)
        yield


@pytest.fixture(scope="session")
def sqlite_files() -> Iterator[SqliteFiles]:
    with TemporaryDirectory(prefix="presshook-sqlite-", dir=in_memory()) as folder:
        yield SqliteFiles(Path(folder))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    # Not in pytest's own folder: a second run closes that to the user that PostgreSQL runs as under root.
    with TemporaryDirectory(prefix="presshook-postgresql-", dir=in_memory()) as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def reused_databases(postgres_server: PostgresServer) -> Iterator[ReusedDatabases]:
    databases = ReusedDatabases(postgres_server)
    yield databases
    databases.drop()


# Who tests what the service does with its rows, and neither how they lie in files nor another schema, role or
# setting. These use databases of PostgreSQL one after another.
REUSING = (
    *("tests/accounts/", "tests/api/", "tests/dashboard/", "tests/events/", "tests/orders/test_changing.py"),
    *("tests/queue/", "tests/reconciler/", "tests/webhooks/"),
)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a migrated, empty database of the test's own."""
    request.node.user_properties.append(("database", request.param))
    is_reused = request.node.nodeid.startswith(REUSING)
    on_postgres = "reused_databases" if is_reused else "postgres_server"
    name = "sqlite_files" if request.param == "sqlite" else on_postgres
    server: SqliteFiles | PostgresServer | ReusedDatabases = request.getfixturevalue(name)
    with server.migrated_url() as url:
        yield url


@pytest.fixture(scope="module", params=DATABASES)
def module_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same for all tests of a module, which know that they are not alone."""
    name = "sqlite_files" if request.param == "sqlite" else "postgres_server"
    server: SqliteFiles | PostgresServer = request.getfixturevalue(name)
    with server.migrated_url() as url:
        yield url


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[str]:
    """The same on PostgreSQL alone."""
    request.node.user_properties.append(("database", "postgresql"))
    with postgres_server.migrated_url() as url:
        yield url


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database that was never migrated."""
    request.node.user_properties.append(("database", request.param))
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_files").empty_url()
        Path(url.removeprefix("sqlite:///")).touch()
        yield url
        return
    with request.getfixturevalue("postgres_server").empty_url() as url:
        yield url


@pytest.fixture
def retries_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what failed be tried again soon, in real time; how long the spans are is another test's matter."""
    monkeypatch.setattr(schedule, "FIRST_RETRY_SECONDS", 0.05)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with quick tasks."""
    async with run_sandbox() as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An application, whose every message is verified with the published library."""
    async with run_receiver() as running:
        yield running


# Those whose single tests take longest: what is begun last is what everybody waits for at the end.
LONGEST = ("tests/e2e/test_kill.py", "tests/e2e/test_schemathesis.py", "tests/e2e/test_upgrade.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


_ran: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what passed on which database."""
    if report.when == "call" and report.passed:
        _ran[str(dict(report.user_properties).get("database", "no database"))] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests passed on which database."""
    counted = ", ".join(f"{name}: {_ran[name]}" for name in (*DATABASES, "no database"))
    terminalreporter.write_line(f"passed on {counted}")
