"""Every fault of every answer that the reconciler uses: no order is lost or doubled (rows in `matrix`).

Each row is lived under a virtual clock, with the spans that are shipped; `test_over_sockets` lives a few in
real time.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar
from zlib import crc32

import pytest
import structlog

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
from tests.reconciler.faults.scenarios import World
from tests.reconciler.faults.virtual import in_virtual_time

Row = TypeVar("Row", PlaceRow, ReadRow, CancelRow)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Leave out what is said of every pass and request: there are hundreds in a row."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


def live(database_url: str, happen: Callable[[World, Row], Awaitable[None]], row: Row) -> None:
    in_virtual_time(database_url, crc32(repr(row).encode()), lambda it: happen(it, row))


def name_of(row: ReadRow) -> str:
    return f"{row.call} {row.fault}"


@pytest.mark.parametrize("row", PLACING, ids=lambda row: row.fault)
def test_placing(database_url: str, row: PlaceRow) -> None:
    live(database_url, scenarios.placing, row)


@pytest.mark.parametrize("row", FOLLOWING, ids=name_of)
def test_following(database_url: str, row: ReadRow) -> None:
    live(database_url, scenarios.following, row)


@pytest.mark.parametrize("row", SEEKING, ids=name_of)
def test_seeking_what_landed(database_url: str, row: ReadRow) -> None:
    live(database_url, scenarios.seeking_what_landed, row)


@pytest.mark.parametrize("row", [row for row in SEEKING if row.call == "list"], ids=name_of)
def test_seeking_what_did_not_land(database_url: str, row: ReadRow) -> None:
    live(database_url, scenarios.seeking_what_did_not_land, row)


@pytest.mark.parametrize("row", SITE_IN_LOOK_UP, ids=name_of)
def test_seeking_by_the_site_itself(database_url: str, row: ReadRow) -> None:
    live(database_url, scenarios.seeking_by_the_site, row)


@pytest.mark.parametrize("row", HINTED, ids=name_of)
def test_seeking_by_a_callback(database_url: str, row: ReadRow) -> None:
    live(database_url, scenarios.seeking_by_a_callback, row)


@pytest.mark.parametrize("row", CANCELLING, ids=lambda row: row.fault)
def test_cancelling(database_url: str, row: CancelRow) -> None:
    live(database_url, scenarios.cancelling, row)
