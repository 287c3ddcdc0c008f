"""What tests of the reconciler share."""

from collections.abc import AsyncIterator

import pytest

from tests.reconciler.scripted import Bench


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """A reconciler that is moved by hand."""
    bench = Bench(database_url)
    yield bench
    await bench.db.dispose()
