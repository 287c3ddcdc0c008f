"""Engines for PostgreSQL that do not ask the server what is known: each would, ten times."""

from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg


def ask_once(patches: pytest.MonkeyPatch) -> None:
    """Have no engine ask for a dialect that it does not use, as another one's is shared."""
    ask: Any = PGDialect_psycopg.initialize

    def initialize(self: PGDialect_psycopg, connection: Connection) -> None:
        if connection.dialect is self:
            ask(self, connection)

    patches.setattr(PGDialect_psycopg, "initialize", initialize)
