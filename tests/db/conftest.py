"""What tests of the database share."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.databases import PostgresServer, in_memory


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server that the test may stop, or have stand still."""
    with TemporaryDirectory(prefix="presshook-postgresql-", dir=in_memory()) as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.stop()
