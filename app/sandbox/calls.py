"""Logs the calls of the stand-in's API."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()


class CallLog:
    """Middleware that logs each call under `/api`: one line, without headers and bodies (secrets)."""

    def __init__(self, app: ASGIApp) -> None:
        """Log the calls of `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a call on, and log it once its answer begins."""

        async def logged_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                log.info("call", method=scope["method"], path=scope["path"], answered=message["status"])
            await send(message)

        is_api = scope["type"] == "http" and scope["path"].startswith("/api/")
        await self._app(scope, receive, logged_send if is_api else send)
