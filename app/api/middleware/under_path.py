"""The service under a path of its host, as `PUBLIC_URL=https://host/presshook` says."""

from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OURS = {"", "v1", "docs", "openapi.json", "livez", "readyz", "metrics", "ui", "progress"}
"""What addresses of ours begin with."""


class UnderPath:
    """Middleware outside of all others that takes the path from what is asked, and adds it to `Location`.

    A proxy may have taken it away already, and may not: both are understood. Nothing behind this knows of it,
    so that what needs a key is the same whichever way it is asked for.
    """

    def __init__(self, app: ASGIApp, *, path: str) -> None:
        """Stand around `app`; `path` begins with `/` and does not end with it, or is empty.

        It is written as a header can hold it; what is asked comes with its letters spelled out no more.
        """
        self._app = app
        self._written = path
        self._path = unquote(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as if the service had a host of its own."""
        if not self._path or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked: str = scope["path"]
        within = asked.removeprefix(self._path)
        if asked.startswith(f"{self._path}/") and within.split("/")[1] in OURS:
            scope = {**scope, "path": within}

        async def locating(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                location = headers.get("Location", "")
                if location.startswith("/"):
                    headers["Location"] = f"{self._written}{location}"
            await send(message)

        await self._app(scope, receive, locating)
