"""A connection of its own that hears what is said over PostgreSQL's NOTIFY.

Only who listens loads this: without PostgreSQL the driver need not be there, and it is large.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

import psycopg

from app.db.database import Database
from app.db.engine import arguments_for
from app.db.postgresql import CHANNEL


class ListeningLostError(ConnectionError):
    """There is no connection that listens, or none any more; the text is the driver's."""


class Heard(NamedTuple):
    """What was said, and which of PostgreSQL's processes said it."""

    payload: str
    backend: int


@asynccontextmanager
async def listening(db: Database) -> AsyncIterator[AsyncIterator[Heard]]:
    """Listen while the block runs, over a connection that is made as the pool's are; yield what is heard.

    Raises:
        ListeningLostError: the connection cannot be had or has broken.
    """
    _, arguments = db.engine.dialect.create_connect_args(db.url)
    ours: dict[str, Any] = {**arguments_for(db.url), "autocommit": True}
    try:
        connection = await psycopg.AsyncConnection.connect(**{**arguments, **ours})
        # Who waits for what is heard holds the connection's lock, which closing it takes.
        async with connection, aclosing(_heard(connection)) as heard:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield heard
    except psycopg.Error as error:
        raise ListeningLostError(str(error)) from error


async def _heard(connection: psycopg.AsyncConnection) -> AsyncGenerator[Heard]:
    try:
        async with aclosing(connection.notifies()) as notifications:
            async for notification in notifications:
                yield Heard(notification.payload, notification.pid)
    except psycopg.Error as error:
        raise ListeningLostError(str(error)) from error
