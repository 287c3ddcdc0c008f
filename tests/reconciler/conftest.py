"""What tests of the reconciler share."""

from collections.abc import AsyncIterator

import pytest

from app.reconciler import turns
from app.schedule import Schedule
from tests.reconciler.scripted import Bench


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """A reconciler that is moved by hand."""
    bench = Bench(database_url)
    yield bench
    await bench.db.dispose()


@pytest.fixture
def _every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have orders be looked at as often as the service does it."""
    monkeypatch.setattr(Bench, "pace", Schedule)


@pytest.fixture
def _slow_cloudpress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have CloudPress be taken for slow: an account has no more passes than it has at least."""
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.0)
