"""The application, with what is answered before FastAPI has a look."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.context import Context
from app.api.middleware.callbacks import Callbacks


class Application(FastAPI):
    """FastAPI's application behind the way in for callbacks."""

    _entrance: ASGIApp | None = None

    def receive_callbacks(self, context: Context, *, path: str) -> None:
        """Answer callbacks before anything else has a look, also below `path`, as `UnderPath` does."""
        self._entrance = Callbacks(super().__call__, context=context, path=path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await (self._entrance or super().__call__)(scope, receive, send)
