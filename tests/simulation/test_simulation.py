"""The simulation, from a few seeds each time; `make simulate` runs many."""

import pytest
import structlog

from tests.databases import PostgresServer, SqliteFiles
from tests.simulation.run import DRAWN, Simulation, simulate

SQLITE_SEEDS = range(1, 201)
POSTGRESQL_SEEDS = range(1, 51)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(processors=[_drop])


def _drop(*_event: object) -> str:
    raise structlog.DropEvent


def passed(life: Simulation) -> bool:
    """Tell whether no invariant was broken, and print the trace if one was."""
    if life.violation:
        print(f"seed {life.seed}: {life.violation}", *life.trace, sep="\n")
    return life.violation is None


@pytest.mark.parametrize("seed", SQLITE_SEEDS)
def test_on_sqlite_no_order_is_lost_or_doubled(
    seed: int, sqlite_files: SqliteFiles, request: pytest.FixtureRequest
) -> None:
    request.node.user_properties.append(("database", "sqlite"))
    with sqlite_files.migrated_url() as url:
        life = simulate(seed, url, habits=DRAWN)
    assert passed(life)
    assert life.accepted or life.counts["restores"], "a restore may lose all that was accepted"


@pytest.mark.parametrize("seed", POSTGRESQL_SEEDS)
def test_on_postgresql_no_order_is_lost_or_doubled(
    seed: int, postgres_server: PostgresServer, request: pytest.FixtureRequest
) -> None:
    request.node.user_properties.append(("database", "postgresql"))
    with postgres_server.migrated_url() as url:
        life = simulate(seed, url, habits=DRAWN)
    assert passed(life)
    assert life.accepted or life.counts["restores"], "a restore may lose all that was accepted"
