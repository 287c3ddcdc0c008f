"""What the engines of all replicas share, so that a life does not compile every statement for each of them.

A real process compiles a statement once. In the simulation each replica has an engine of its own, which would
compile it again, for every replica that starts and in each life anew.
"""

from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

from app.db.columns import Cipher, _ciphers
from app.db.database import Database

STATEMENTS = 2000

_dialects: dict[tuple[type[Dialect], type[Cipher]], Dialect] = {}
_compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS)


def share_compiled_statements(db: Database) -> None:
    """Have a database's engines use the dialect and the compiled statements of all others of its kind.

    A dialect stands for a cipher too: all databases that are given one of the same class have the same keys.

    Of SQLite only: PostgreSQL's dialect learns from its first connection, which may never be made.
    """
    writing: Engine = db._writing.sync_engine
    kind = type(writing.dialect), type(_ciphers[writing.dialect])
    shared = _dialects.setdefault(kind, writing.dialect)
    for engine in (db.engine.sync_engine, writing):
        engine.dialect = shared
        engine._compiled_cache = _compiled
        engine.pool._dialect = shared
