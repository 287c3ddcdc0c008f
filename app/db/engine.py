"""Engines for SQLite and PostgreSQL: what is committed is kept, and every text can be stored."""

import math
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from app.db import errors, sqlite, texts
from app.db.beginning import ISOLATION, note_isolation
from app.db.errors import UnfitDatabaseError
from app.db.postgresql import LOCK_WAIT_SECONDS

if TYPE_CHECKING:
    from psycopg import BaseConnection

POOL_SIZE = 8
POOL_WAIT_SECONDS = 5
BUSY_TIMEOUT_SECONDS = 10
IDLE_SECONDS = 1.0
PREPARE_AFTER = 5
# What begins a transaction on SQLite: one that only reads, and one that may write.
BEGIN_READ, BEGIN_WRITE = "BEGIN", "BEGIN IMMEDIATE"
OWN = stat.S_IRUSR | stat.S_IWUSR
HEADER = b"SQLite format 3\0"
# What the operator's address may say otherwise.
DEFAULTS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,
    # A connection may lie unused until many are needed at once: what stands between us and the server is not
    # to have forgotten it by then, and the system is to have noticed if it has.
    "keepalives_idle": 60,
    "fallback_application_name": "presshook",
}


def make_engine(
    url: URL,
    connect_arguments: Mapping[str, Any] | None = None,
    *,
    connect_sqlite: sqlite.Connect | None = None,
    begin: str = BEGIN_READ,
) -> AsyncEngine:
    """Return an engine; nothing connects before it is used.

    `connect_sqlite` makes connections to SQLite in place of the asynchronous driver, and `begin` is what
    begins a transaction there.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite:
        protect_file(url)
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        connect_args={**arguments_for(url), **(connect_arguments or {})},
        **_options(url),
    )
    _prepare(engine.sync_engine, url, begin)
    if is_sqlite and connect_sqlite is not None:
        sqlite.connect_by(engine.sync_engine, connect_sqlite)
    return engine


def make_threads_engine(url: URL, threads: int) -> Engine:
    """Return an engine for write transactions in threads, over the driver that needs no event loop."""
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite") if is_sqlite else url,
        poolclass=QueuePool,
        pool_size=threads,
        connect_args=arguments_for(url) | ({"check_same_thread": False} if is_sqlite else {}),
        # The driver begins nothing by itself; `begin` does. (`app/db/beginning.py`)
        **_options(url) | ({} if is_sqlite else {"isolation_level": "AUTOCOMMIT"}),
    )
    _prepare(engine, url, BEGIN_WRITE)
    if not is_sqlite:
        event.listen(engine, "connect", note_isolation)
    return engine


def _options(url: URL) -> dict[str, Any]:
    return {
        # An error's text would otherwise hold the statement's values.
        "hide_parameters": True,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS,
        # The connection that was used last is used next: its statements are prepared, and its server process
        # has them planned and its caches filled. In turn each of them would be cold for long.
        "pool_use_lifo": True,
        "isolation_level": None if url.get_backend_name() == "sqlite" else ISOLATION,
        "json_serializer": texts.as_json,
    }


def _prepare(engine: Engine, url: URL, begin: str) -> None:
    event.listen(engine, "handle_error", errors.heed)
    # Of the dialect, not of the engine: each connection has an engine's events joined with its own, and asks
    # for each of them at each statement.
    event.listen(engine, "do_execute", texts.execute_storable)
    event.listen(engine, "do_executemany", texts.executemany_storable)
    if engine.dialect.name == "sqlite":
        _stay_with_file(engine, Path(url.database or ""))
        event.listen(engine, "connect", partial(_prepare_sqlite, begin))
        # By the driver's cursor, as the driver begins nothing. (An event would be the engine's, see above.)
        engine.dialect.do_begin = _begin_sqlite  # type: ignore[method-assign, assignment]
    else:
        require_utf8(engine)
        event.listen(engine, "connect", _settle_unless_pooled)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_prove_alive, engine))


def _note_use(_connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
    entry.info["used_at"] = time.monotonic()


def _prove_alive(
    engine: Engine, connection: DBAPIConnection, entry: ConnectionPoolEntry, _use: object
) -> None:
    """Replace a connection that nobody has used for a moment if it is broken.

    One that was used just now is taken as it is: whoever writes notices by the first statement, before
    anything has happened, and begins again (`Database.write`).
    """
    if time.monotonic() - entry.info.get("used_at", math.inf) < IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        raise DisconnectionError from error


def _settle_unless_pooled(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Have statements prepared that come again, where each one surely goes to the same server process.

    Have reads wait for locks no longer than writes do, as well: they wait for nobody but who locks a whole
    table, and would take all places that their key has for as long as he does.

    A pooler gives its clients a process id of its own making, and in transaction mode another server process
    for each transaction, which knows nothing of what another one has prepared, and keeps what was set for the
    next client.
    """
    driver = driver_of(connection)
    cursor = connection.cursor()
    cursor.execute("SELECT pg_backend_pid()")
    [(process_id,)] = cursor.fetchall()
    if process_id == driver.info.backend_pid:
        driver.prepare_threshold = PREPARE_AFTER
        cursor.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
    cursor.close()
    connection.commit()


def arguments_for(url: URL) -> dict[str, Any]:
    """Return what the driver is given beside the address, whoever connects."""
    if url.get_backend_name() == "sqlite":
        # The driver begins nothing by itself; `_begin_sqlite` does.
        return {"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None}
    defaults = {name: value for name, value in DEFAULTS.items() if name not in url.query}
    # Without prepared statements a pooler in transaction mode can stand in between; where none does,
    # `_settle_unless_pooled` allows them. The encoding is not to be had from the environment, the role or
    # the database: all text is sent as UTF-8.
    return {**defaults, "prepare_threshold": None, "client_encoding": "UTF8"}


def driver_of(connection: DBAPIConnection) -> "BaseConnection[Any]":
    """Return psycopg's own connection, which SQLAlchemy wraps where it is used on an event loop."""
    return cast("BaseConnection[Any]", getattr(connection, "driver_connection", connection))


def require_utf8(engine: Engine) -> None:
    """Let an engine use no PostgreSQL database that cannot store every text.

    An order would be bought and could not be recorded, because of a letter in what CloudPress answers.
    """
    event.listen(engine, "connect", partial(_require_utf8, engine))


def _require_utf8(engine: Engine, connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # Told by the server as it lets in; a pooler passes it on.
    encoding = driver_of(connection).info.parameter_status("server_encoding")
    if encoding != "UTF8":
        # As the driver's own error, which SQLAlchemy makes its own of.
        raise engine.dialect.loaded_dbapi.OperationalError(
            f"the database stores text as {encoding}, which cannot hold every text: make one with "
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        ) from UnfitDatabaseError()


def make_file(url: URL) -> None:
    """Make an empty SQLite file where none is, its owner's alone from the first moment on.

    That is for what migrates: any other command would leave an empty file where its address is mistaken.
    """
    # Where it is not ours to make, whoever uses it is told by what fails then.
    with suppress(OSError):
        os.close(os.open(url.database or "", os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, OWN))


def protect_file(url: URL) -> None:
    """Let nobody but its owner read an SQLite file; SQLite gives its journals the same rights.

    A file that a group may write is shared on purpose, and closed to all others alone. What is no database,
    because the address names a folder or somebody else's file by mistake, stays as it is.
    """
    path = Path(url.database or "")
    if not _is_database(path):
        return
    for each in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
        # Where it is not ours to change, whoever uses it is told by what fails then.
        with suppress(OSError):
            mode = each.stat().st_mode
            if stat.S_ISREG(mode) and _too_many_rights(mode):
                each.chmod(stat.S_IMODE(mode) & ~_too_many_rights(mode))


def _is_database(path: Path) -> bool:
    """Tell a file of SQLite's, or one that is empty yet, from what is none or cannot be read."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return stat.S_ISREG(found.st_mode)
        # Whoever closes a file gives up all locks that SQLite has on it in this process. One that is in use
        # is closed to others already, and is not opened here.
        if not _too_many_rights(found.st_mode):
            return True
        with path.open("rb") as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:
        return False


def _too_many_rights(mode: int) -> int:
    """Return what others than its owner may do with a database that they are not to."""
    kept = OWN | stat.S_IRGRP | stat.S_IWGRP if mode & stat.S_IWGRP else OWN
    return stat.S_IMODE(mode) & ~kept


def _stay_with_file(engine: Engine, path: Path) -> None:
    """Have an engine use the file that is at `path` now, and none that was there before.

    A file that was deleted or replaced can be written to for as long as it is open, and whatever is written
    is gone when the process ends. SQLite itself notices only where a journal has to be found again, and
    would make an empty file in place of one that is gone. It tells files apart as it is done here.
    """

    def identity() -> tuple[int, int]:
        try:
            found = path.stat()
        except FileNotFoundError:
            gone = FileNotFoundError(f"there is no database at {path}; `presshook migrate` makes one")
            raise OperationalError(None, None, gone) from None
        return found.st_dev, found.st_ino

    def require(*_connecting: object) -> None:
        identity()
        # The asynchronous driver would be told by SQLite in a thread, which may outlive the event loop.
        if path.is_dir() or not os.access(path, os.R_OK):
            what = "a folder" if path.is_dir() else "not ours to read"
            raise OperationalError(None, None, PermissionError(f"{path} is {what}"))

    def note(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = identity()

    def prove(_connection: DBAPIConnection, entry: ConnectionPoolEntry, _use: object) -> None:
        if entry.info["file"] != identity():
            raise DisconnectionError

    event.listen(engine, "do_connect", require)
    event.listen(engine, "connect", note)
    event.listen(engine, "checkout", prove)


def why_unwritable(url: URL) -> str | None:
    """Return what keeps this process from writing to an SQLite file, None if the file's rights do not."""
    if url.get_backend_name() != "sqlite":
        return None
    path = Path(url.database or "")
    who = f"user {os.geteuid()} may not write to"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"{who} {path}"
    # SQLite makes its journals beside the file.
    return None if os.access(path.parent, os.W_OK | os.X_OK) else f"{who} the folder {path.parent}"


def _prepare_sqlite(begin: str, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    entry.info["begin"] = begin
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: PoolProxiedConnection) -> None:
    cursor = connection.cursor()
    cursor.execute(connection.info["begin"])
    cursor.close()
