"""Addresses of CloudPress: the base URL as a deployer writes it, and ids as parts of a path."""

import re
from urllib.parse import quote, unquote, urlsplit

import httpx

from app.network.names import NAMES, is_host

MAX_ID_LENGTH = 255
# What may stand in a path as it is, and in a header or a page that names one.
PLAIN_IN_PATH = "/%:@!$&()*+,;=~"
BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def normalize_base_url(url: str) -> str:
    """Return the brand's address without a trailing `/` or `/api`.

    Raises:
        ValueError: as `checked_url`.
    """
    return checked_url(url, example="https://app.cloudpress.com").removesuffix("/api").rstrip("/")


def checked_url(url: str, *, example: str) -> str:
    """Return a base URL that requests can be made to, without white space around it and a trailing `/`.

    Raises:
        ValueError: not an absolute http(s) URL, or one with a host that cannot be, a user, a query, a
            fragment or a path that leads elsewhere. The text shows `example`, and repeats nothing of the
            input, which may hold a password.
    """
    url = url.strip()
    if "@" in url or "?" in url or "#" in url:
        raise ValueError("must not hold a user, a password, a query or a fragment")
    if not is_http_url(url):
        raise ValueError(f"must be an address such as {example}")
    if not is_host(httpx.URL(url).raw_host.decode("ascii")):
        raise ValueError(f"must be an address such as {example}: {NAMES}")
    if not _is_plain_path(urlsplit(url).path.rstrip("/")):
        raise ValueError("must not hold control characters, dot segments or a leading // in its path")
    return url.rstrip("/")


def with_written_path(url: str) -> str:
    """Return a URL that `checked_url` has returned, its path and host as headers can hold them: in ASCII."""
    parts = urlsplit(url)
    if not parts.netloc.isascii():
        parts = parts._replace(netloc=httpx.URL(url).netloc.decode("ascii"))
    return parts._replace(path=quote(BARE_PERCENT.sub("%25", parts.path), safe=PLAIN_IN_PATH)).geturl()


def _is_plain_path(path: str) -> bool:
    """Tell whether a path, whose letters may be spelled out as `%2e`, leads to where it says."""
    try:
        path = unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return path.isprintable() and not path.startswith("//") and not {".", ".."} & set(path.split("/"))


def is_http_url(url: str) -> bool:
    """Tell whether a text is an absolute http(s) URL that requests can be made to."""
    if not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def path_segment(value: str) -> str:
    """Quote an id for use as one segment of a path.

    Raises:
        ValueError: the id would leave its place in the path (empty, `.`, `..`) or is absurdly long.
    """
    if value in {"", ".", ".."} or len(value) > MAX_ID_LENGTH:
        raise ValueError("the id cannot be a segment of a path")
    return quote(value, safe="", errors="replace")
