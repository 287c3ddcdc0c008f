"""What the integration tests share."""

from collections.abc import AsyncIterator

import pytest

from tests.harness import Sandbox, run_sandbox
from tests.receiver import Receiver, run_receiver


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
