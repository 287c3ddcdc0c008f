"""Whether the database has the tables that this code needs, and how it gets them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

import migrations
from app.db import Database


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    return config


def upgrade(url: URL) -> None:
    """Bring a database to the newest schema. Blocks; safe to be called by many replicas at once.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or refuses.
    """
    config = _config()
    config.attributes["url"] = url
    command.upgrade(config, "head")


async def is_current(db: Database) -> bool:
    """Tell whether the database is migrated at least as far as this code knows.

    A revision that this code does not know is a newer release's: replicas are replaced one by one.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    try:
        async with db.read() as session:
            revision = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    except (OperationalError, ProgrammingError) as error:
        if _is_missing_table(error):
            return False
        raise
    scripts = ScriptDirectory.from_config(_config())
    known = {script.revision for script in scripts.walk_revisions()}
    return revision is not None and (revision == scripts.get_current_head() or revision not in known)


def _is_missing_table(error: DBAPIError) -> bool:
    """Tell a database without our tables (never migrated) from one that is away."""
    said = str(error.orig)
    return "no such table" in said or getattr(error.orig, "sqlstate", None) == "42P01"
