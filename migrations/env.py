"""How Alembic reaches the database: one transaction under a lock, so that replicas may migrate at once."""

import os
import sqlite3

from alembic import context
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.db import models
from app.db.beginning import ISOLATION
from app.db.engine import arguments_for, make_file, protect_file, require_utf8
from app.db.url import async_database_url

LOCK_WAIT_SECONDS = 60
# Any number that nobody else takes an advisory lock by.
ADVISORY_LOCK = 7_377_368_840_113


def database() -> URL:
    """Return the address, with the synchronous driver that Alembic needs."""
    given = context.config.attributes.get("url")
    url = make_url(given) if given else async_database_url(os.environ["DATABASE_URL"])
    return url.set(drivername=url.drivername.replace("+aiosqlite", ""))


def begin_by_hand(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Stop the SQLite driver from beginning and committing by itself around DDL."""
    if isinstance(connection, sqlite3.Connection):
        connection.isolation_level = None


def begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock before the present revision is read."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate() -> None:
    """Run the chain in one transaction. A second replica waits and then finds nothing to do."""
    url = database()
    sqlite = url.get_backend_name() == "sqlite"
    arguments = {"timeout": LOCK_WAIT_SECONDS} if sqlite else arguments_for(url)
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level=None if sqlite else ISOLATION,
        connect_args=arguments,
    )
    if sqlite:
        make_file(url)
        protect_file(url)
        event.listen(engine, "connect", begin_by_hand)
        event.listen(engine, "begin", begin_immediate)
    else:
        require_utf8(engine)
    with engine.connect() as connection, connection.begin():
        if not sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        context.configure(
            connection=connection,
            target_metadata=models.Order.metadata,
            render_as_batch=sqlite,
            transactional_ddl=True,
        )
        context.run_migrations()


migrate()
