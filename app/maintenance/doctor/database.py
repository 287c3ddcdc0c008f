"""The database: whether it can be used, and by whom it is heard."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.db.database import Database
from app.db.errors import DATABASE_AWAY, in_words, is_unfit, secrets_of
from app.db.postgresql import CHANNEL
from app.maintenance.doctor.checks import Check, Result, failed, ok, skipped, warning
from app.maintenance.fitness import Usability
from app.maintenance.schema import is_current

GIGABYTE = 1024**3
LITTLE_BYTES = 2 * GIGABYTE
TOO_LITTLE_BYTES = GIGABYTE // 4
HEARD_WITHIN_SECONDS = 5.0
SKEW_SECONDS = 30.0
# Beyond what the age of a CloudPress order is judged with.
TOO_MUCH_SKEW_SECONDS = 300.0


async def check_reachable(db: Database) -> tuple[Result, ...]:
    """Look whether the database can be used at all. Only if the last result is well, others make sense."""
    try:
        is_migrated = await is_current(db)
    except DATABASE_AWAY as error:
        if is_unfit(error):
            return (failed(Check.ENCODING, in_words(error), "move the data to a database in UTF-8"),)
        reason = in_words(error, secrets_of(db.url))
        return (failed(Check.DATABASE, f"cannot be reached: {reason}", "see that DATABASE_URL is right"),)
    if not is_migrated:
        advice = "run `presshook migrate`"
        return (failed(Check.DATABASE, "it is behind this release, or was never migrated", advice),)
    kind = "SQLite" if db.is_sqlite else "PostgreSQL"
    return (ok(Check.DATABASE, f"{kind}, migrated"),)


async def check_database(db: Database) -> AsyncIterator[Result]:
    """Look at a database that can be reached and is migrated."""
    yield await _encoding(db)
    rights = await _rights(db)
    yield rights
    yield await _isolation(db)
    yield await _disk(db)


async def _encoding(db: Database) -> Result:
    statement = "PRAGMA encoding" if db.is_sqlite else "SHOW server_encoding"
    async with db.read() as session:
        encoding = str((await session.execute(text(statement))).scalar_one())
    return ok(Check.ENCODING, encoding)


async def _rights(db: Database) -> Result:
    try:
        await Usability(db).prove()
    except PermissionError as error:
        return failed(Check.RIGHTS, str(error), "GRANT them, or use the role that ran `presshook migrate`")
    except (SQLAlchemyError, *DATABASE_AWAY) as error:
        reason = in_words(error, secrets_of(db.url))
        return failed(
            Check.RIGHTS, f"nothing can be written: {reason}", "is it a standby, read-only, or its disk full?"
        )
    return ok(Check.RIGHTS, "every table can be read and written")


async def _isolation(db: Database) -> Result:
    if db.is_sqlite:
        return ok(Check.ISOLATION, "one writer at a time")
    async with db.read() as session:
        level = str((await session.execute(text("SHOW transaction_isolation"))).scalar_one())
    if level != "read committed":
        advice = "see that no pooler and no DATABASE_URL option changes the isolation of transactions"
        return failed(Check.ISOLATION, f"{level}, although read committed was asked for", advice)
    return ok(Check.ISOLATION, level)


async def _disk(db: Database) -> Result:
    if not db.is_sqlite:
        async with db.read() as session:
            size = select(func.pg_database_size(func.current_database()))
            taken = int((await session.execute(size)).scalar_one())
        return skipped(Check.DISK, f"PostgreSQL does not tell; the database takes {_bytes(taken)}")
    path = Path(db.url.database or "").parent
    try:
        free = (await asyncio.to_thread(shutil.disk_usage, path)).free
    except OSError as error:
        return skipped(Check.DISK, f"cannot be told ({type(error).__name__})")
    if free < TOO_LITTLE_BYTES:
        return failed(Check.DISK, f"{_bytes(free)} left", "make room: without it no order is taken")
    if free < LITTLE_BYTES:
        return warning(Check.DISK, f"{_bytes(free)} left", "make room soon: without it no order is taken")
    return ok(Check.DISK, f"{_bytes(free)} left")


def _bytes(number: int) -> str:
    return f"{number / GIGABYTE:.1f} GB" if number >= GIGABYTE / 10 else f"{number / 1024**2:.0f} MB"


async def check_listen(db: Database) -> Result:
    """Say something over the database and listen for it, as replicas do."""
    check = Check.LISTEN
    if db.is_sqlite:
        return skipped(check, "SQLite has no LISTEN: processes poll")
    advice = (
        "orders go on by polling, a little later; without a pooler in transaction mode they would at once"
    )
    try:
        is_heard = await _is_heard(db)
    except (OSError, SQLAlchemyError) as error:
        reason = in_words(error, secrets_of(db.url))
        return warning(check, f"a connection that listens cannot be had: {reason}", advice)
    if not is_heard:
        return warning(check, f"what was said was not heard within {HEARD_WITHIN_SECONDS:.0f} s", advice)
    return ok(check, "heard at once")


async def _is_heard(db: Database) -> bool:
    from app.db.listening import listening  # noqa: PLC0415 - not needed on SQLite, and large

    word = f"doctor {uuid4()}"
    async with listening(db) as heard:
        async with db.write() as tx:
            await tx.session.execute(select(func.pg_notify(CHANNEL, word)))
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARD_WITHIN_SECONDS):
                async for each in heard:
                    if each.payload == word:
                        return True
    return False


async def check_clock(db: Database, ahead_seconds: float | None) -> Result:
    """Compare the clock of the database with CloudPress's, which is so much ahead of this machine's."""
    check = Check.CLOCK
    if ahead_seconds is None:
        return skipped(check, "CloudPress told no time")
    async with db.read() as session:
        skew = ((await db.now(session)) - datetime.now(UTC)).total_seconds() - ahead_seconds
    told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} CloudPress's"
    advice = "have the machine of the database keep time (NTP)"
    if abs(skew) > TOO_MUCH_SKEW_SECONDS:
        return failed(check, told, advice)
    return warning(check, told, advice) if abs(skew) > SKEW_SECONDS else ok(check, "agree")
