"""Addresses as people type them."""

import re
from urllib.parse import quote, urlsplit

import httpx
import typer

from app.env_file import bare
from app.network.names import NAMES, is_host

HERE = "http://127.0.0.1:8000"


def address(text: str) -> str:
    """Return an address of HTTP as it can be asked: `localhost:3000` and `3000` are on this machine.

    Raises:
        typer.BadParameter: it is none; what is wrong is said, and a password in it is not.
    """
    text = bare(text)
    if text.isdigit():
        text = f"localhost:{text}"
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        _ = parts.port
        host = httpx.URL(text).raw_host.decode("ascii")
    except (ValueError, httpx.InvalidURL):
        raise typer.BadParameter("this is no address: write http://host:port/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise typer.BadParameter("write an address such as http://localhost:3000/path")
    if not is_host(host):
        raise typer.BadParameter(f"{parts.hostname} cannot be reached: {NAMES}")
    if parts.username is not None or parts.password is not None:
        raise typer.BadParameter("a user name or a password in an address would be shown: leave it out")
    return text


def base_address(text: str) -> str:
    """Return an address of HTTP that paths can be added to.

    Raises:
        typer.BadParameter: it is none, as `address`, or a path that is added would be a part of its query.
    """
    text = address(text)
    if "?" in text or "#" in text:
        raise typer.BadParameter(
            "this address holds a query or a fragment: leave out the ? or # and the rest"
        )
    return text


def in_path(text: str) -> str:
    """Return a text as one part of a path, whatever is in it; a dot is no step up either."""
    return quote(text, safe="", errors="surrogateescape").replace(".", "%2E")
