"""The head of a request: how large it may be, what it must say, and what the application is told of it."""

from typing import Any
from urllib.parse import unquote

import httptools

from app.server.wire import Headers

MAX_HEAD_BYTES = 64 * 1024
MAX_TARGET_BYTES = 16 * 1024
MAX_HEADERS = 256


class RefusedError(Exception):
    """A request is not to be understood, or too large to be looked at."""

    def __init__(self, status: int) -> None:
        """Keep with which status it is refused."""
        super().__init__()
        self.status = status


def expects_continue(version: str, headers: Headers) -> bool:
    """Tell whether a client waits to be asked for the body.

    Raises:
        RefusedError: the head does not name one host.
    """
    hosts = 0
    is_expected = False
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"expect":
            is_expected = value.lower() == b"100-continue"
    if hosts != 1 and (hosts or version == "1.1"):
        raise RefusedError(400)
    return is_expected


def of_target(target: bytes, root_path: str) -> dict[str, Any]:
    """Return what a request's target says, as ASGI tells it; `root_path` is what the application is under."""
    url = httptools.parse_url(target)
    raw_path = url.path
    path = raw_path.decode("ascii")
    return {
        "root_path": root_path,
        "path": root_path + (unquote(path) if "%" in path else path),
        "raw_path": root_path.encode("ascii") + raw_path,
        "query_string": url.query or b"",
    }
