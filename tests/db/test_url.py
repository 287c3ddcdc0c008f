"""Addresses of databases: what libpq takes is taken, and reaches the driver as libpq would read it."""

from typing import Any

import pytest
from sqlalchemy import text

from app.db.database import Database
from app.db.url import async_database_url
from app.maintenance.schema import upgrade
from app.secrets import Encryption
from tests.settings import SECRET_KEY


def arguments(url: str) -> dict[str, Any]:
    """Return what the driver is told."""
    address = async_database_url(url)
    _, told = address.get_dialect()().create_connect_args(address)
    return {name: str(value) for name, value in told.items()}


@pytest.mark.parametrize(
    ("url", "told", "reason"),
    [
        ("postgresql://", {}, "everything by libpq's defaults and environment"),
        (
            "postgres://u:p@h/d",
            {"user": "u", "password": "p", "host": "h", "dbname": "d"},
            "the short one",
        ),
        ("postgresql://h:5433", {"host": "h", "port": "5433"}, "a port"),
        (
            "postgresql://u@one:5433,two:5434/d?target_session_attrs=read-write",
            {
                "user": "u",
                "host": "one,two",
                "port": "5433,5434",
                "dbname": "d",
                "target_session_attrs": "read-write",
            },
            "several hosts",
        ),
        (
            "postgresql://one,two,three/d",
            {"host": "one,two,three", "port": ",,", "dbname": "d"},
            "each at its default port",
        ),
        (
            "postgresql://one,two/d?port=6432",
            {"host": "one,two", "port": "6432,6432", "dbname": "d"},
            "one port for all",
        ),
        (
            "postgresql://one,two:5434/d",
            {"host": "one,two", "port": ",5434", "dbname": "d"},
            "some ports",
        ),
        (
            "postgresql:///d?host=one:5432&host=two:5433",
            {"host": "one,two", "port": "5432,5433", "dbname": "d"},
            "as SQLAlchemy has it",
        ),
        (
            "postgresql://%2Fvar%2Frun%2Fpostgresql/d",
            {"host": "/var/run/postgresql", "dbname": "d"},
            "a folder with a socket",
        ),
        (
            "postgresql:///d?host=/run/a,/run/b&port=5432",
            {"host": "/run/a,/run/b", "port": "5432,5432", "dbname": "d"},
            "several of them",
        ),
        ("postgresql://[::1]:5433/d", {"host": "::1", "port": "5433", "dbname": "d"}, "IPv6"),
        ("postgresql://[::1],[fe80::2]/d", {"host": "::1,fe80::2", "port": ",", "dbname": "d"}, "several"),
        (
            "postgresql://u@/d?passfile=/run/secrets/pgpass&sslmode=verify-full&sslrootcert=system",
            {
                "user": "u",
                "dbname": "d",
                "passfile": "/run/secrets/pgpass",
                "sslmode": "verify-full",
                "sslrootcert": "system",
            },
            "parameters",
        ),
        (
            "postgresql://u:a%2Fb%40c%23d%3Ae@h/d",
            {"user": "u", "password": "a/b@c#d:e", "host": "h", "dbname": "d"},
            "an encoded password",
        ),
        (
            "postgresql://u:a#b?c@h/d",
            {"user": "u", "password": "a#b?c", "host": "h", "dbname": "d"},
            "what libpq takes as it is",
        ),
        (
            "postgresql://h/d?hostaddr=10.0.0.1",
            {"host": "h", "hostaddr": "10.0.0.1", "dbname": "d"},
            "an address",
        ),
    ],
)
def test_what_libpq_takes_reaches_the_driver(url: str, told: dict[str, str], reason: str) -> None:
    assert arguments(url) == told, reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://u:s3cr3t@t@h/d", "an @ in the password, which makes a part of it the host"),
        ("postgresql://u:s3cr3t/t@h/d", "a / in the password, which makes a part of it the port"),
        ("postgresql://u:1234/s3cr3t@h/d", "the same, where it looks like a port"),
        ("postgresql://u@h/d?nothing=s3cr3t", "no such option"),
        ("postgresql://u@h:s3cr3t/d", "a port that is no number"),
        ("postgresql://u@one:1,two:2/d?port=3,4,s3cr3t", "more ports than hosts"),
        ("postgresql://u:%zs3cr3t@h/d", "no encoding"),
        ("postgresql+asyncpg://u:s3cr3t@h/d", "the driver is ours to choose"),
    ],
)
def test_what_it_does_not_take_is_refused_without_a_word_of_it(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        async_database_url(url)
    assert "s3cr3t" not in str(caught.value), reason


async def test_the_server_that_takes_writes_is_found_among_several(postgres_url: str) -> None:
    socket = async_database_url(postgres_url).query["host"]
    name = async_database_url(postgres_url).database
    user = async_database_url(postgres_url).username
    url = f"postgres://{user}@/{name}?host=127.0.0.1,{socket}&port=9,5432&target_session_attrs=read-write"
    upgrade(async_database_url(url))
    db = Database(async_database_url(url), Encryption([SECRET_KEY]))
    async with db.read() as session:
        assert (await session.execute(text("SELECT current_database()"))).scalar_one() == name
    await db.dispose()
