"""What tests of the queue share."""

from collections.abc import AsyncIterator

import pytest

from app.db.database import Database
from app.db.url import async_database_url
from app.secrets import Encryption
from tests.reconciler.scripted import SetClock
from tests.settings import SECRET_KEY


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still."""
    return SetClock()


@pytest.fixture
async def db(database_url: str, clock: SetClock) -> AsyncIterator[Database]:
    """A database by that clock."""
    database = Database(async_database_url(database_url), Encryption([SECRET_KEY]), clock=clock)
    yield database
    await database.dispose()
