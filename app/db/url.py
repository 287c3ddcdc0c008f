"""The address of the database, with the driver that the service uses."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRESQL = "postgresql+psycopg"
SCHEMES = ("postgresql://", "postgres://")
UNKNOWN = "has an option that PostgreSQL does not know, or cannot be understood by it"
FORMS = "must be sqlite:///path or postgresql://user:password@host/database"


def async_database_url(url: str) -> URL:
    """Turn a plain `DATABASE_URL` into the address that names the asynchronous driver.

    A relative SQLite path is made absolute, so that it means one file wherever it is opened from. Of
    PostgreSQL everything is taken that its own client, libpq, takes as an address.

    Raises:
        ValueError: it is none; the text tells nothing of it.
    """
    if url.startswith(SCHEMES):
        return _postgresql(url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(FORMS) from None
    if parsed.drivername != "sqlite":
        raise ValueError(FORMS)
    if parsed.database in {None, "", ":memory:"}:
        raise ValueError("must name a file (sqlite:///path): several connections share it")
    if parsed.query:
        raise ValueError("has an option after ?, and SQLite's address takes none")
    path = Path(parsed.database or "").expanduser().absolute()
    return parsed.set(drivername="sqlite+aiosqlite", database=str(path))


def hosts_looked_up(url: URL) -> list[str]:
    """Return the hosts of PostgreSQL whose addresses are asked for, of an address that was turned so."""
    if url.get_backend_name() == "sqlite" or "hostaddr" in url.query or os.environ.get("PGHOSTADDR"):
        return []
    named = str(url.query.get("host") or os.environ.get("PGHOST", ""))
    # The others are folders with a socket.
    return [host for host in named.split(",") if host and not host.startswith(("/", "@"))]


def _postgresql(url: str) -> URL:
    import psycopg.conninfo  # noqa: PLC0415 - not needed on SQLite, and large

    url, hosts = _without_repeated_hosts(url)
    try:
        options = {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
    except (psycopg.Error, UnicodeError):
        raise ValueError(
            "has an option that PostgreSQL does not know, or cannot be understood by it"
        ) from None
    options.update(hosts)
    if "@" in options.get("host", ""):
        raise ValueError("has an @ too many: write it as %40 in a user's name or a password")
    if not all(port.isascii() and port.isdigit() for port in options.get("port", "").split(",") if port):
        raise ValueError("has a port that is no number: write / as %2F and : as %3A in a password")
    if "@" in url.partition("://")[2].partition("/")[2].partition("?")[0]:
        raise ValueError("has an @ in the database's name: write / as %2F in a user's name or a password")
    _spread_ports(options)
    # Hosts and ports stay what libpq makes of them: several, or a folder with a socket.
    return URL.create(
        POSTGRESQL,
        username=options.pop("user", None),
        password=options.pop("password", None),
        database=options.pop("dbname", None),
        query=options,
    )


def _without_repeated_hosts(url: str) -> tuple[str, dict[str, str]]:
    """Take SQLAlchemy's own way to name several hosts out of an address: `?host=one:5432&host=other:5432`."""
    start, _, query = url.partition("?") if url.count("?") == 1 else (url, "", "")
    pairs = parse_qsl(query, keep_blank_values=True)
    named = [value.partition(":")[::2] for name, value in pairs if name == "host"]
    if len(named) < 2:
        return url, {}
    rest = urlencode([pair for pair in pairs if pair[0] != "host"])
    hosts = {"host": ",".join(host for host, _ in named), "port": ",".join(port for _, port in named)}
    return f"{start}?{rest}", hosts


def _spread_ports(options: dict[str, str]) -> None:
    """Name a port for each host, as the engine wants it: libpq takes one for all, too."""
    if not options.get("port", "").strip(","):
        options.pop("port", None)
        return
    hosts = options.get("host", options.get("hostaddr", "")).split(",")
    ports = options["port"].split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError("must name one port, or one for each host")
    options["port"] = ",".join(ports)
