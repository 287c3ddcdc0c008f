"""Answers that no well-behaved server gives."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.faults import READ_FAULTS, use_up

NO_ANSWER = 444
GATEWAY_PAGE = "<html><head><title>{said}</title></head><body><h1>{said}</h1></body></html>"


class Droppable:
    """Middleware that lets a route close its connection without a word, as a dying server does.

    ASGI knows no such thing. uvicorn's `receive` is bound to the cycle that holds the transport.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Make the connections of `app` droppable."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the way to drop the connection on with the request."""
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        if transport is not None:
            scope["sandbox.drop"] = transport.abort
        await self._app(scope, receive, send)


def dropped(request: Request) -> Response:
    """Close the request's connection. What is returned goes nowhere but the log: nginx's number for it."""
    drop: Callable[[], None] | None = request.scope.get("sandbox.drop")
    if drop is not None:
        drop()
    return Response(status_code=NO_ANSWER)


def errors(status: int, *texts: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the provider's errors."""
    return JSONResponse({"errors": list(texts)}, status, headers=headers)


def gateway_page(status: int) -> Response:
    """Return what a proxy says that cannot reach the provider."""
    return HTMLResponse(GATEWAY_PAGE.format(said=f"{status} {HTTPStatus(status).phrase}"), status)


def truncated(document: dict[str, Any]) -> Response:
    """Return the first half of a document."""
    text = json.dumps(document)
    return Response(text[: len(text) // 2], media_type="application/json")


async def read_fault(
    request: Request, faults: dict[str, float], read: str, document: dict[str, Any]
) -> Response | None:
    """Return the faulty answer that a read gets now, None if it gets the document.

    `faults` are counted down here.
    """
    slow_seconds = faults.pop(f"{read}-slow", 0)
    if slow_seconds:
        await asyncio.sleep(slow_seconds)
    kind = next((kind for kind in READ_FAULTS if kind != "slow" and use_up(faults, f"{read}-{kind}")), None)
    match kind:
        case None:
            return None
        case "429":
            return errors(429, "Slow down", headers={"Retry-After": "1"})
        case "502" | "503" | "504":
            return gateway_page(int(kind))
        case "truncated":
            return truncated(document)
        case "types":
            return JSONResponse({name: [name, 1] for name in document})
        case "dropped":
            return dropped(request)
        case status:
            return errors(int(status), "A fault on demand")
