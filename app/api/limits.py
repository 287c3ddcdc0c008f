"""How much of a request is read."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024


class BodyLimit:
    """Middleware that stops reading a body over 64 KiB with 413, whether its length was declared or not.

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
        read = 0
        declared = dict(scope["headers"]).get(b"content-length", b"0")

        async def limited() -> Message:
            nonlocal read
            if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
                raise HTTPException(413)
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY_BYTES:
                raise HTTPException(413)
            return message

        await self._app(scope, limited, send)
