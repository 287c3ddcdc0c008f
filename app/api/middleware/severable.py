"""Connections under the answers: a way to cut one off whose client no longer reads."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "presshook.transport"


class Severable:
    """Middleware that lets an answer cut its connection off.

    ASGI knows no such thing, and a server that closes a connection waits until the client has taken what was
    sent, if need be for ever. uvicorn's `receive` is bound to what holds the transport; under another server
    nothing is cut off.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand around `app`, outside of all that wraps `receive`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the transport on with the request."""
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None:
            scope[KEY] = transport
        await self._app(scope, receive, send)


def cut_off_in(scope: Scope, seconds: float) -> None:
    """Cut a request's connection off then, unless it is closed by that time.

    Only for one whose answer says `Connection: close`: else it may be another request's by then.
    """
    transport: asyncio.Transport | None = scope.get(KEY)
    if transport is not None:
        asyncio.get_running_loop().call_later(seconds, transport.abort)
