"""Spans are any positive number: the longest as well let an order be placed and completed."""

import pytest

from tests.harness import Sandbox, run_presshook


@pytest.mark.parametrize("seconds", [1e12, 1e300])
async def test_spans_longer_than_any_calendar_lose_nothing(
    database_url: str, sandbox: Sandbox, seconds: float
) -> None:
    async with run_presshook(
        database_url,
        sandbox.url,
        callback_wait_seconds=seconds,
        lease_seconds=seconds,
        placement_grace_seconds=seconds,
        upstream_timeout_seconds=1e9,
    ) as presshook:
        placed = await presshook.order("For ever")
        assert placed.status_code == 201, placed.text
        done = await presshook.until(placed.json()["id"], "completed")
        assert done["attention"] is None
        unsure = await presshook.order("Unsure [place-lost]", wait=0)
        assert (await presshook.until(unsure.json()["id"], "completed"))["attention"] is None
        assert len(await sandbox.orders()) == 2
