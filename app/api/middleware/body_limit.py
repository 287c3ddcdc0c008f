"""How much of a request is read, and for how long."""

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 30.0
# An extension of the scope (ASGI): a function that returns the body if the request has come whole, else None.
# Nearly all have, and to set a deadline costs more than to take their body.
WHOLE_BODY = "presshook.whole_body"


class BodyLimit:
    """Middleware that stops reading a body over 64 KiB with 413, whether its length was declared or not.

    One that has not come whole within 30 s ends with 408: who drips holds nothing for long.

    The exception is raised from `receive`, that is when the body is read and not before: a callback's
    authorization is checked first.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Limit the bodies that `app` reads."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `receive` that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._app(scope, limited(scope, receive), send)


def limited(scope: Scope, receive: Receive) -> Receive:
    """Return a `receive` that raises what `BodyLimit` says."""
    read = 0
    whole = False
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS
    take_whole: Callable[[], bytes | None] | None = scope.get("extensions", {}).get(WHOLE_BODY)

    async def counted() -> Message:
        nonlocal read, whole
        if whole:
            return await receive()
        body = take_whole() if take_whole is not None else None
        if body is not None:
            message: Message = {"type": "http.request", "body": body, "more_body": False}
        else:
            declared = dict(scope["headers"]).get(b"content-length", b"0")
            if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
                raise HTTPException(413)
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
        whole = not message.get("more_body", False)
        read += len(message.get("body", b""))
        if read > MAX_BODY_BYTES:
            raise HTTPException(413)
        return message

    return counted


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Read a whole body within the limits.

    Raises:
        HTTPException: it is too large (413), did not come in time (408), or its sender has left (400).
    """
    within_limits = limited(scope, receive)
    body = bytearray()
    while True:
        message = await within_limits()
        if message["type"] == "http.disconnect":
            raise HTTPException(400)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
