"""What the values of settings have to be like, and how they are kept.

What is not so raises `ValueError`, whose text never repeats the value.
"""

import math
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.cloudpress import browser_origin, checked_url, header_safe, with_written_path
from app.config.rates import SECONDS, parse_rate
from app.db.url import async_database_url, hosts_looked_up
from app.network.names import NAMES, is_host

LOGO = "https://shop.example.com/logo.svg"
# Beside a name and a port only an address's colons and brackets: a comma, a blank or a * would have a policy
# say something else.
PLAIN_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
LONGEST_ACCOUNT_ID = 255
"""How many characters the id of an account may have, the environment's and each that is stored."""
MIN_SECRET_KEY_LENGTH = 32
# A hundred years: what is longer no calendar can add up.
LONGEST_SPAN_SECONDS = 100 * 365.25 * 24 * 3600


def _span(value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise ValueError("must be a positive number of seconds")
    return min(value, LONGEST_SPAN_SECONDS)


def unless_off(value: object) -> object:
    """Return None for `off`, and everything else as it is."""
    return None if isinstance(value, str) and value.lower() == "off" else value


def days(value: float | None) -> float | None:
    """Return a number of days, at most a hundred years of them."""
    if value is not None and (not math.isfinite(value) or value <= 0):
        raise ValueError("must be a positive number of days, or off")
    return value if value is None else min(value, LONGEST_SPAN_SECONDS / SECONDS["day"])


def _header_safe_secret(secret: SecretStr) -> SecretStr:
    header_safe(secret.get_secret_value())
    return secret


def public_url(value: str) -> str:
    """Return the address of the service, in the one way to write it."""
    return with_written_path(checked_url(value, example="https://presshook.example.com"))


def secret_keys(secret: SecretStr) -> SecretStr:
    """Return the keys that encrypt; each has to be long enough."""
    keys = [key.strip() for key in secret.get_secret_value().split(",")]
    if any(len(key) < MIN_SECRET_KEY_LENGTH for key in keys):
        raise ValueError(
            f"each of its comma-separated keys must have at least {MIN_SECRET_KEY_LENGTH} characters"
        )
    return secret


def database_url(secret: SecretStr) -> SecretStr:
    """Return the address of a database that the service can use."""
    url = secret.get_secret_value()
    # SQLite would take it for a part of the file's name, and make a new one.
    if any(ord(letter) < 32 for letter in url):
        raise ValueError("must be one line")
    found = async_database_url(url)
    if not all(is_host(host) for host in hosts_looked_up(found)):
        raise ValueError(f"names a host that cannot be: {NAMES}")
    if found.get_backend_name() == "sqlite" and Path(found.database or "").is_dir():
        raise ValueError("must name a file (sqlite:///path), and this is a folder")
    return secret


def rate(value: str | None) -> str | None:
    """Return a rate, None where it is off."""
    if value is not None and value.strip().lower() != "off":
        parse_rate(value)
        return value
    return None


def origins(value: str | None) -> str | None:
    """Return origins as browsers send them, since they are compared letter by letter."""
    return ",".join(browser_origin(origin) for origin in value.split(",")) if value else value


def printable(value: str | None) -> str | None:
    """Return a text that a page can show in one line."""
    if value is not None and not value.isprintable():
        raise ValueError("must be printable text in one line")
    return value


def colour(value: str | None) -> str | None:
    """Return a colour as styles write it."""
    if value is not None and not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        raise ValueError("must be a colour such as #0b5c63")
    return value


def logo_url(value: str | None) -> str | None:
    """Return where the logo is, whose host stands in the policy of the pages that show it."""
    if value is None:
        return None
    parts = urlsplit(checked_url(value, example=LOGO))
    if parts.scheme != "https" or ";" in value:
        raise ValueError(f"must be an https address such as {LOGO}")
    if not PLAIN_HOST.fullmatch(parts.netloc):
        raise ValueError(f"must name its host by letters, digits, dots and hyphens alone, such as {LOGO}")
    return value.strip()


def networks(value: str | None) -> str | None:
    """Return addresses and networks, or `*`."""
    for network in (value or "").split(","):
        if value and network.strip() != "*":
            try:
                ip_network(network.strip(), strict=False)
            except ValueError:
                raise ValueError("must be addresses or networks, comma-separated, or *") from None
    return value


def private_networks(value: str | None) -> str | None:
    """Return networks, each by itself: `*` is none."""
    for network in (value or "").split(","):
        try:
            if value:
                ip_network(network.strip(), strict=False)
        except ValueError:
            raise ValueError("must be networks such as 10.0.0.0/8, comma-separated") from None
    return value


Seconds = Annotated[float, AfterValidator(_span)]
HeaderSecret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_header_safe_secret)]
Lowercase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
