"""What an error of the database means: is it away, does it want to be asked again, and why, in words."""

import os
import re
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class CrowdedError(PoolTimeout):
    """The database is well: who asks asks for too much at once."""


# What the driver and the pool raise while the database is away or has no connection to spare. Any other
# error of SQLAlchemy is a defect or an impossible value, and trying again would not mend it.
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout, OSError)
# PostgreSQL's classes of errors that pass: of the connection and the sign-in, of transactions that have to be
# repeated, of resources, of what is in use, of operators who intervene, of the system, of its configuration.
AWAY_CLASSES = frozenset({"08", "28", "40", "53", "55", "57", "58", "F0"})
# What a connection says that writes nothing. It stays so when the server's default is another again, and when
# another server has taken this one's place: only a new connection finds one that writes.
READ_ONLY_STATE = "25006"
# The same of single errors: a server that was made a standby, transactions that it ended for having stood
# still, a role that lacks rights, which somebody will grant.
AWAY_STATES = frozenset({READ_ONLY_STATE, "25P03", "25P04", "42501"})
# What a connection says whose prepared statements are no longer what they were: after a migration, or because
# a pooler went unnoticed. A new connection has none.
PREPARED_STATES = frozenset({"0A000", "26000", "42P05"})
SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOTADB,
    }
)
# Of those the ones that say that nothing can be written, although the database can be read.
UNWRITABLE_STATES = frozenset({READ_ONLY_STATE, "42501", "53000", "53100", "58000", "58030"})
SQLITE_UNWRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL})
# A transaction that did nothing, because another one came in between, and may succeed if repeated.
REPEATABLE_STATES = frozenset({"40001", "40P01"})
TRIES = 5
LONGEST_WORDS = 300
SECRET_OPTIONS = ("password", "sslpassword")


def _original(error: BaseException | None) -> BaseException | None:
    """Return the driver's error behind one of SQLAlchemy's."""
    return error.orig if isinstance(error, DBAPIError) else error


class UnfitDatabaseError(Exception):
    """Causes a driver's error: this service must not use the database. The error's text says what to do."""


def is_unfit(error: BaseException) -> bool:
    """Tell whether an error says that this service must not use the database."""
    original = _original(error)
    return original is not None and isinstance(original.__cause__, UnfitDatabaseError)


def sqlstate_of(error: BaseException | None) -> str | None:
    """Return PostgreSQL's code of an error, None where it told none (as when nobody answered)."""
    original = _original(error)
    state: str | None = getattr(original, "sqlstate", None)
    return state


def _sqlite_code(error: BaseException | None) -> int | None:
    original = _original(error)
    code = getattr(original, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def heed(context: ExceptionContext) -> None:
    """Have SQLAlchemy raise `OperationalError` for what passes, and for nothing else.

    The drivers draw that line elsewhere, and whoever waits for what never passes waits for ever.
    """
    original, raised = context.original_exception, context.sqlalchemy_exception
    state, code = sqlstate_of(original), _sqlite_code(original)
    if state is None and code is None:
        return
    passes = code in SQLITE_AWAY if state is None else (state in AWAY_STATES or state[:2] in AWAY_CLASSES)
    if state in PREPARED_STATES and (state != "0A000" or "cached plan" in str(original)):
        passes = context.is_disconnect = True
    if state == READ_ONLY_STATE:
        context.is_disconnect = True
    if passes != isinstance(raised, OperationalError):
        kind = OperationalError if passes else DatabaseError
        raise kind(context.statement, None, original, hide_parameters=True) from None


def is_unwritable(error: BaseException) -> bool:
    """Tell whether an error says that the database can write nothing: a full disk, a standby, no rights."""
    return sqlstate_of(error) in UNWRITABLE_STATES or _sqlite_code(error) in SQLITE_UNWRITABLE


def is_repeatable(error: BaseException) -> bool:
    """Tell whether PostgreSQL asks for the transaction to be repeated as it was."""
    return sqlstate_of(error) in REPEATABLE_STATES


def repeated(
    function: Callable[Arguments, Coroutine[Any, Any, Result]],
) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    """Repeat a function at once where PostgreSQL asks for that (40001, 40P01), up to `TRIES` times in all.

    It has to be one transaction that tells nobody anything before its commit, and that takes up nothing from
    a try before: what it changes beside the database must be thrown away with the transaction.
    """

    @wraps(function)
    async def repeating(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        return await repeatedly(partial(function, *arguments, **named))

    return repeating


async def repeatedly(function: Callable[[], Awaitable[Result]]) -> Result:
    """Call a function, again at once where PostgreSQL asks for that, as `repeated` does."""
    for _ in range(TRIES - 1):
        try:
            return await function()
        except OperationalError as error:
            if not is_repeatable(error):
                raise
    return await function()


def in_words(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Return what the driver says of an error, in one line, without any of the secrets."""
    original = _original(error)
    words = " ".join(str(original or error).split()) or type(original or error).__name__
    for secret in sorted(secrets, key=len, reverse=True):
        words = words.replace(secret, "***")
    return words[:LONGEST_WORDS]


def secrets_of(url: URL) -> frozenset[str]:
    """Return what of a database's address must not be told."""
    named = (url.query.get(option) for option in SECRET_OPTIONS)
    values = (url.password, os.environ.get("PGPASSWORD"), *named)
    return frozenset(str(value) for value in values if value)


def kind_of(error: BaseException) -> str:
    """Return what stays the same of an error that comes again, less the numbers in its words."""
    state = sqlstate_of(error)
    return state or re.sub(r"\d+", "0", f"{type(error).__name__} {in_words(error)}")
