"""A few rows of each table of the fault matrix in real time, on sockets that hang, reset and break off."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from app import schedule
from tests.harness import LOOK_SECONDS, PATIENCE_SECONDS, Sandbox, run_presshook
from tests.reconciler.faults import scenarios
from tests.reconciler.faults.matrix import (
    CANCELLING,
    FOLLOWING,
    HINTED,
    PLACING,
    SEEKING,
    SITE_IN_LOOK_UP,
    CancelRow,
    PlaceRow,
    ReadRow,
)
from tests.reconciler.faults.proxy import run_proxy
from tests.reconciler.faults.scenarios import World

TIMEOUT_SECONDS = 1.0
GRACE_SECONDS = 1.2
LOOK_UP_SECONDS = 0.1
CALLBACK_WAIT_SECONDS = 0.1

Row = TypeVar("Row", PlaceRow, ReadRow, CancelRow)


pytestmark = pytest.mark.usefixtures("retries_soon")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the spans that no setting has; how long they are is another test's matter."""
    monkeypatch.setattr(schedule, "LOOK_UP_SECONDS", (LOOK_UP_SECONDS, LOOK_UP_SECONDS))


@asynccontextmanager
async def world(database_url: str, sandbox: Sandbox) -> AsyncIterator[World]:
    async with (
        run_proxy(sandbox.url) as proxy,
        run_presshook(
            database_url,
            proxy.url,
            upstream_timeout_seconds=TIMEOUT_SECONDS,
            lease_seconds=5,
            placement_grace_seconds=GRACE_SECONDS,
            callback_wait_seconds=CALLBACK_WAIT_SECONDS,
        ) as presshook,
    ):
        yield World(presshook, proxy, sandbox, PATIENCE_SECONDS, LOOK_SECONDS)


def of_faults(rows: Iterable[Row], *faults: str, call: str | None = None) -> list[Row]:
    """Return the rows of some faults; there is one for each."""
    by_fault = {row.fault: row for row in rows if call is None or getattr(row, "call", None) == call}
    return [by_fault[fault] for fault in faults]


def name_of(row: PlaceRow | ReadRow | CancelRow) -> str:
    return row.fault


@pytest.mark.parametrize(
    "row",
    of_faults(PLACING, "ok", "timeout before", "reset after", "cut off", "429", "422"),
    ids=name_of,
)
async def test_placing(database_url: str, sandbox: Sandbox, row: PlaceRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.placing(it, row)


@pytest.mark.parametrize(
    "row", of_faults(FOLLOWING, "reset before", "timeout after", call="task"), ids=name_of
)
async def test_following(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.following(it, row)


@pytest.mark.parametrize("row", of_faults(SEEKING, "cut off", "401", call="list"), ids=name_of)
async def test_seeking_what_landed(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.seeking_what_landed(it, row)


@pytest.mark.parametrize("row", of_faults(SEEKING, "truncated JSON", call="list"), ids=name_of)
async def test_seeking_what_did_not_land(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.seeking_what_did_not_land(it, row)


@pytest.mark.parametrize("row", of_faults(SITE_IN_LOOK_UP, "404"), ids=name_of)
async def test_seeking_by_the_site_itself(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.seeking_by_the_site(it, row)


@pytest.mark.parametrize("row", of_faults(HINTED, "reset after", call="order"), ids=name_of)
async def test_seeking_by_a_callback(database_url: str, sandbox: Sandbox, row: ReadRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.seeking_by_a_callback(it, row)


@pytest.mark.parametrize("row", of_faults(CANCELLING, "timeout before", "reset after", "409"), ids=name_of)
async def test_cancelling(database_url: str, sandbox: Sandbox, row: CancelRow) -> None:
    async with world(database_url, sandbox) as it:
        await scenarios.cancelling(it, row)
