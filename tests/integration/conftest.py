"""What the integration tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.harness import Sandbox, run_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with quick tasks."""
    async with run_sandbox() as running:
        yield running
