"""HEAD, which every address takes that takes GET (RFC 9110, 9.3.2): the same head, and no body."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY = "presshook.head"
UNMADE = "presshook.unmade"
"""What says that the body is not made as a GET's would be."""


class Head:
    """Middleware that has a HEAD answered as a GET would be, and keeps the body back.

    The answer ends with its head: what would go on, such as a stream, is told that the client has left. It
    stands within what logs and measures, to which the request is a HEAD before and after.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand around `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_over = False

        async def until_over() -> Message:
            return {"type": "http.disconnect"} if is_over else await receive()

        async def head_alone(message: Message) -> None:
            nonlocal is_over
            if is_over or message["type"] != "http.response.start":
                return
            is_over = True
            if UNMADE in scope:
                del MutableHeaders(scope=message)["Content-Length"]
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        # The scope itself: what is found out about the request, such as its route, is read from it outside.
        scope[KEY] = True
        scope["method"] = "GET"
        try:
            await self._app(scope, until_over, head_alone)
        finally:
            scope["method"] = "HEAD"


def is_head(scope: Scope) -> bool:
    """Tell whether a request that looks like a GET asks for the head alone, which waits for nothing."""
    return KEY in scope


def spares_body(scope: Scope) -> bool:
    """Tell whether a request asks for the head alone; if so its body may be any, and its length is not told.

    It is for what costs others something to find out, and changes nothing in the head. (RFC 9110, 9.3.2)
    """
    if not is_head(scope):
        return False
    scope[UNMADE] = True
    return True
