"""The address of the database, with the driver that the service uses."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url

POSTGRESQL = "postgresql+psycopg"


def async_database_url(url: str) -> URL:
    """Turn a plain `DATABASE_URL` into the address that names the asynchronous driver.

    A relative SQLite path is made absolute, so that it means one file wherever it is opened from.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        path = Path(parsed.database or "").expanduser().absolute()
        return parsed.set(drivername="sqlite+aiosqlite", database=str(path))
    return parsed.set(drivername=POSTGRESQL)
