"""Defects of ours, answered as a problem."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.middleware.headers import log_defect
from app.api.problems.kinds import internal_error


class Defects:
    """Middleware that answers 500 where something of ours breaks.

    It stands within what adds headers to an answer by its request: without those of CORS a browser shows a
    script neither that something broke nor the id to report it by. Where an answer has begun, or what stands
    around this breaks, `Headers` has the last word.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand around `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if has_begun:
                raise
            log_defect(error)
            await internal_error().response()(scope, receive, send)
