"""Databases of PostgreSQL that one test after another uses, each of them as if it had been cloned for it.

A clone costs more than most tests do, and on a new one every statement costs several times what it does
later: nothing is cached, nothing is planned. What is reused is proven, before each use, to be what a clone
is: nobody else is connected, no setting and no object differs, no row is left and every sequence begins
anew. What is not is dropped.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.databases import PostgresServer
from tests.kept_connections import KeptConnections, kept

MOST_USES = 50
"""After these a database is dropped, for what deleted rows leave behind."""
PATIENCE_SECONDS = 1.0
LOOK_SECONDS = 0.005

OTHERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
# What is changed in the catalogue is another version of its row. What a server has from the start, and no
# database changes, has lower numbers.
OF_OURS = 16384


def _versions(catalogue: str, number: str = "oid") -> str:
    """Return what tells whether anything of a catalogue was added, changed or removed."""
    rows = f"FROM {catalogue} WHERE {number} >= {OF_OURS}::oid"
    return f"(SELECT string_agg(concat_ws(' ', {number}, xmin, ctid), ',' ORDER BY ctid) {rows})"


CATALOGUES = (
    "pg_class",
    "pg_constraint",
    "pg_type",
    "pg_proc",
    "pg_trigger",
    "pg_rewrite",
    "pg_policy",
    "pg_extension",
    "pg_namespace",
    "pg_event_trigger",
    "pg_largeobject_metadata",
    "pg_operator",
    "pg_cast",
    "pg_collation",
)
STATE = f"""
    SELECT {", ".join(map(_versions, CATALOGUES))}, {_versions("pg_attribute", "attrelid")},
           {_versions("pg_attrdef", "adrelid")}, {_versions("pg_index", "indexrelid")},
           (SELECT array_agg(setting::text) FROM pg_db_role_setting AS setting),
           (SELECT concat_ws(' ', xmin, datacl) FROM pg_database WHERE datname = current_database()),
           (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_prepared_xacts),
           (SELECT array_agg(rolname ORDER BY rolname) FROM pg_roles), pg_is_in_recovery()
"""  # noqa: S608 - of the names above


@dataclass
class ReusedDatabase:
    """A clone of the template, and how it is made a clone again."""

    url: str
    clone: ExitStack
    """Drops it when it is closed."""
    uses: int = 0
    connections: KeptConnections = field(init=False)

    def __post_init__(self) -> None:
        self._own = psycopg.connect(self.url, autocommit=True)
        self._anew = self._what_makes_it_anew()
        self._state = self._read_state()
        self.connections = KeptConnections()

    def _what_makes_it_anew(self) -> bytes:
        """Return the statements that take it back to what it is now."""
        own = self._own
        # Rows go in any order, whatever refers to them.
        own.execute("SET session_replication_role = replica")
        statements = []
        tables = own.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            statements.append(f'DELETE FROM public."{table}"')  # noqa: S608 - a table of our own
            if own.execute(f'TABLE public."{table}" LIMIT 1'.encode()).fetchone():
                own.execute(f'CREATE TEMPORARY TABLE "kept_{table}" AS TABLE public."{table}"'.encode())
                statements.append(f'INSERT INTO public."{table}" TABLE pg_temp."kept_{table}"')
        sequences = own.execute(
            "SELECT schemaname, sequencename, start_value, last_value FROM pg_sequences"
        ).fetchall()
        for schema, sequence, start, last in sequences:
            first = f"{start}, false" if last is None else f"{last}, true"
            statements.append(f"""SELECT setval('"{schema}"."{sequence}"', {first})""")
        return ";\n".join(statements).encode()

    def _read_state(self) -> tuple[Any, ...]:
        state = self._own.execute(STATE).fetchone()
        assert state is not None
        return state

    def make_anew(self) -> bool:
        """Make it what a clone is; tell whether it is one now."""
        self.uses += 1
        if self.uses > MOST_USES:
            return False
        try:
            if not self._is_left_alone() or self._read_state() != self._state:
                return False
            self._own.execute(self._anew)
        except psycopg.Error:
            return False
        return True

    def _is_left_alone(self) -> bool:
        """Wait until nobody else is connected: the server's processes end a little later."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            connected = {pid for (pid,) in self._own.execute(OTHERS)}
            if not connected - self.connections.keep_only(connected):
                return True
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_SECONDS)

    def drop(self) -> None:
        """Drop it."""
        self.connections.end()
        self._own.close()
        self.clone.close()


class ReusedDatabases:
    """All that are not in use now are used again."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._idle: list[ReusedDatabase] = []

    @contextmanager
    def migrated_url(self) -> Iterator[str]:
        """Yield the address of a database that is as a fresh clone of the template."""
        database = self._take()
        kept[database.url] = database.connections
        try:
            yield database.url
        finally:
            del kept[database.url]
            # It is looked at before its next use: by then whoever has just left it has gone.
            self._idle.append(database)

    def _take(self) -> ReusedDatabase:
        while self._idle:
            database = self._idle.pop()
            if database.make_anew():
                return database
            database.drop()
        clone = ExitStack()
        return ReusedDatabase(clone.enter_context(self._server.migrated_url()), clone)

    def drop(self) -> None:
        """Drop them."""
        while self._idle:
            self._idle.pop().drop()
