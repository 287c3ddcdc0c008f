"""How write transactions that run in one go begin: on PostgreSQL in a single round trip."""

from datetime import UTC, datetime
from functools import cache

from sqlalchemy import Connection, Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.db.clock import asking_for_time
from app.db.postgresql import LIMITS

# Stated, since the database's own default may be another. (SQLite knows but one.)
ISOLATION = "READ COMMITTED"


def note_isolation(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    """Take note of the isolation that a new connection's transactions have by default."""
    cursor = connection.cursor()
    cursor.execute("SHOW default_transaction_isolation")
    [(isolation,)] = cursor.fetchall()
    cursor.close()
    entry.info["isolation"] = isolation.upper()


def begin(connection: Connection) -> datetime:
    """Begin a write transaction on a connection that begins none by itself, and return its time."""
    if connection.dialect.name == "sqlite":
        # Not before the lock is held: what others wrote while it was waited for is not later than this.
        connection.begin()
        return datetime.now(UTC)
    moment: datetime
    if connection.info["isolation"] == ISOLATION:
        moment = connection.exec_driver_sql(_limits_time_and_begin(connection.dialect)).one()[-1]
    else:
        connection.exec_driver_sql(f"BEGIN ISOLATION LEVEL {ISOLATION}")
        moment = connection.execute(asking_for_time(*LIMITS)).one()[-1]
    return moment.astimezone(UTC)


@cache
def _limits_time_and_begin(dialect: Dialect) -> str:
    """Return one query for all: what stands in it before `BEGIN` becomes part of the transaction."""
    asking = asking_for_time(*LIMITS).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return f"{asking}; BEGIN"
