"""Whether the database has the tables that this code needs, and how it gets them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

import migrations
from app.db.database import Database

FOLDER = Path(migrations.__file__).parent


class MigrationError(Exception):
    """Alembic refuses to migrate; the text is one line and fit to be printed."""


def revisions() -> list[str]:
    """Return the revisions of this release, the newest last. Their files' names begin with them."""
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def upgrade(url: URL) -> bool:
    """Bring a database to the newest schema. Blocks; safe to be called by many replicas at once.

    Return False if a newer release has migrated it further than this code knows: nothing is done then.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or refuses.
        MigrationError: Alembic finds the revisions in disorder.
    """
    # A service whose database is migrated goes without Alembic's 10 MB.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script.revision import ResolutionError  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        if isinstance(error.__cause__, ResolutionError):
            return False
        raise MigrationError(" ".join(str(error).split())) from None
    return True


async def is_current(db: Database) -> bool:
    """Tell whether the database is migrated at least as far as this code knows.

    A revision that this code does not know is a newer release's: replicas are replaced one by one.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    try:
        async with db.read() as session:
            revision = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError as error:
        if _is_missing_table(error):
            return False
        raise
    return _is_current(revision)


def is_current_file(url: URL) -> bool:
    """Tell the same of an SQLite file before any event loop runs; one that cannot be read is not current."""
    try:
        with closing(sqlite3.connect(f"file:{quote(url.database or '')}?mode=ro", uri=True)) as connection:
            [revision] = connection.execute("SELECT version_num FROM alembic_version").fetchone() or [None]
    except sqlite3.Error:
        return False
    return _is_current(revision)


def _is_current(revision: str | None) -> bool:
    known = revisions()
    return revision is not None and (revision == known[-1] or revision not in known)


def _is_missing_table(error: DBAPIError) -> bool:
    """Tell a database without our tables (never migrated) from one that is away."""
    said = str(error.orig)
    return "no such table" in said or getattr(error.orig, "sqlstate", None) == "42P01"
