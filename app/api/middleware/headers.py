"""What every answer carries, and the log line of every request."""

import re
import time
from contextlib import AbstractContextManager, nullcontext

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid4

from app.api.problems.kinds import internal_error
from app.telemetry import tracing
from app.telemetry.defects import where_raised
from app.telemetry.metrics import Metrics

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
WAITING = {"/v1/events", "/v1/orders/{order_id}/events", "/ui/stream", "/progress/{address}/stream"}
"""Routes that may be streams."""
UNTRACED = {"/livez", "/readyz", "/metrics"}
UNLOGGED = {"/livez", "/readyz"}
# Headers that are lists, and so may be sent in several lines (RFC 9110, 5.3).
LISTS = (b"prefer", b"if-none-match")
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}

log = structlog.get_logger()


class Headers:
    """Middleware that names each request, logs it, and adds the headers that browsers heed.

    A client's own `X-Request-ID` is taken if it is a plain word, so that its log and ours can be joined. The
    lines of a list header are made one, since who reads it would see the first alone.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        """Stand around `app`, and tell `metrics` how long each request took."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _join_lists(scope)
        began = time.monotonic()
        status = 0
        request_id = request_id_of(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def naming(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                _tell_caches(scope["path"], headers)
            await send(message)

        with _span(scope) as span:
            try:
                await self._app(scope, receive, naming)
            except Exception as error:  # noqa: BLE001 - its text may hold anything: no server may print it
                log_defect(error)
                if status:
                    raise ConnectionAbortedError from None  # half an answer is out: only this can tell
                await internal_error().response()(scope, receive, naming)
            finally:
                if scope["path"] not in UNLOGGED:
                    seconds = time.monotonic() - began
                    _log(scope, status, seconds)
                    self._measure(scope, status, seconds)
                    span.name(f"{scope['method']} {getattr(scope.get('route'), 'path', 'no route')}")
                    span.tell(status=status)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        names = {name for name, _ in scope["headers"]}
        waits = route in WAITING or b"prefer" in names or b"wait=" in scope.get("query_string", b"")
        self._metrics.request(scope["method"], route, status, seconds, waits=waits)


def _tell_caches(path: str, headers: MutableHeaders) -> None:
    """Have no cache keep an answer that does not say otherwise, nor give one key's answer to another key."""
    if headers.setdefault("Cache-Control", "no-store") != "no-store" and path.startswith("/v1"):
        headers.add_vary_header("Authorization")


def _span(scope: Scope) -> AbstractContextManager[tracing.Span]:
    """Return the span of a request, within its client's trace if it has one; probes are none."""
    if scope["path"] in UNTRACED:
        return nullcontext(tracing.NO_SPAN)
    sent = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
    return tracing.span("request", kind="server", parent=sent and sent.decode("latin-1"), is_root=True)


def _join_lists(scope: Scope) -> None:
    for name in LISTS:
        lines = [value for key, value in scope["headers"] if key == name]
        if len(lines) > 1:
            others = [header for header in scope["headers"] if header[0] != name]
            scope["headers"] = [*others, (name, b", ".join(lines))]


def request_id_of(scope: Scope) -> str:
    """Return the name of a request: its client's, or a new one."""
    sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return sent.decode() if REQUEST_ID.fullmatch(sent) else str(uuid4())


def log_defect(error: Exception) -> None:
    """Log where our code broke, and nothing of what it said."""
    log.error("request_broken", error=where_raised(error))


def _log(scope: Scope, status: int, seconds: float) -> None:
    """Log a request by its route: what stands in an address or a query may be anything."""
    route = scope.get("route")
    log.info(
        "request",
        method=scope["method"],
        route=getattr(route, "path", None),
        status=status,
        duration_ms=round(seconds * 1000, 1),
    )
