"""What the engines of all databases share, so that a test does not compile every statement for each of them.

A real process compiles a statement once. In the tests each service and each replica has engines of its own,
which would compile it again, for every one that starts and in each test anew.
"""

from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.util import LRUCache

from app.db.columns import Cipher, _ciphers
from app.db.database import Database
from app.secrets import Encryption, UndecryptableError
from tests.settings import SECRET_KEY

STATEMENTS = 5000

_dialects: dict[tuple[type[Dialect], type[Cipher]], Dialect] = {}
_compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS)
_sealed = Encryption([SECRET_KEY]).encrypt(b"under the key of the tests")


def share_compiled_statements(db: Database) -> None:
    """Have a database's engines use the dialect and the compiled statements of all others of its kind.

    A dialect stands for a cipher too: those of one class have the same keys, and a database whose cipher has
    others keeps its own dialect.

    A dialect learns from its first connection, which may never be made: it is shared once one is.
    """
    cipher = _ciphers[db.engine.dialect]
    if isinstance(cipher, Encryption) and not _is_the_tests_own(cipher):
        return
    engines = [db.engine.sync_engine, db._writer.sync_engine]
    if db._threads is not None:
        engines.append(db._threads.engine)
    for engine in engines:
        _share(engine, type(cipher))


def _is_the_tests_own(cipher: Encryption) -> bool:
    try:
        return len(cipher._ciphers) == 1 and bool(cipher.decrypt(_sealed))
    except UndecryptableError:
        return False


def _share(engine: Engine, cipher: type[Cipher]) -> None:
    engine._compiled_cache = _compiled
    own = engine.dialect
    kind = type(own), cipher
    if kind not in _dialects:
        event.listen(engine, "connect", lambda *_: _dialects.setdefault(kind, own))
        return
    engine.dialect = engine.pool._dialect = _dialects[kind]


def share_among_all(patches: pytest.MonkeyPatch) -> None:
    """Have every database that is made from now on share them, until the patches are undone."""
    make = Database.__init__

    def make_and_share(self: Database, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        share_compiled_statements(self)

    patches.setattr(Database, "__init__", make_and_share)
