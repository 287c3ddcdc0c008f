"""Where CloudPress calls back, as plain ASGI: in a storm of callbacks every microsecond of each one counts.

It stands before the routing and all that stands around the other requests, and keeps to what they keep to:
the same limits, headers, problems, metrics and request ids. `app/api/routes/callbacks.py` describes it.
"""

import time
from contextlib import suppress
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.answers import Answer
from app.api.context import Context
from app.api.middleware.body_limit import read_body
from app.api.middleware.headers import SECURITY, request_id_of
from app.api.probes import Probes
from app.api.problems.kinds import busy, database_away, internal_error, unauthorized, unread
from app.api.problems.problem import Problem
from app.db.errors import DATABASE_AWAY
from app.orders.attempts import find_placing_trace
from app.orders.callbacks import CallbackIntake, Received
from app.queue.group_commit import TooManyWaitingError
from app.telemetry import tracing
from app.telemetry.defects import where_raised
from app.telemetry.tally import Tally

PREFIX = "/v1/callbacks/"
ROUTE = f"{PREFIX}{{order_id}}"
ALWAYS = [
    *((name.lower().encode(), value.encode()) for name, value in SECURITY.items()),
    (b"cache-control", b"no-store"),
]

log = structlog.get_logger()


class Callbacks:
    """Middleware that answers callbacks itself.

    The value is checked against the text of the address before the body is read and the database is touched,
    so a flood of forgeries costs neither, nor does it fill the log: each reason is told once a second.
    """

    def __init__(self, app: ASGIApp, *, context: Context, path: str) -> None:
        """Pass on to `app` whatever is no callback. Addresses may begin with `path`, which may be empty."""
        self._app = app
        self._prefixes = tuple({PREFIX, f"{path}{PREFIX}"})
        self._context = context
        self._intake = CallbackIntake(context.db, measure=partial(context.metrics.batch, "callbacks"))
        self._refused = Tally("callback_refused")
        self._probes = Probes(context)

    def choose(self, scope: Scope) -> ASGIApp:
        """Return what answers a callback, or the application that any other request is passed on to.

        A forged one is answered at once.
        """
        order_id = self._order_id(scope)
        if order_id is None:
            return self._app
        began = time.monotonic()
        reason = self._refusal(scope, order_id)
        if reason is None:
            return partial(self._let_in, order_id, began)
        probe = self._probes.find(scope, order_id)
        if probe is not None:
            return partial(self._answer_probe, probe)
        answer = _answer(self._refuse(reason), request_id_of(scope))
        self._measure(answer.status, began)
        return answer

    async def _let_in(self, order_id: str, began: float, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a callback that carries the right value."""
        request_id = request_id_of(scope)
        # A trace of its own: what strangers' headers say of theirs is not heeded.
        with tracing.span(f"POST {ROUTE}", kind="server", is_root=True) as span:
            problem = await self._receive(scope, receive, order_id, request_id)
            if tracing.is_on():
                await self._link(span, order_id)
        answer = _answer(problem, request_id)
        await answer(scope, receive, send)
        self._measure(answer.status, began)

    async def _answer_probe(self, probe: UUID, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._probes.answer(probe, scope, receive)
        answer.raw_headers += _headers(request_id_of(scope))
        await answer(scope, receive, send)

    def _measure(self, status: int, began: float) -> None:
        self._context.metrics.request("POST", ROUTE, status, time.monotonic() - began, waits=False)

    def _order_id(self, scope: Scope) -> str | None:
        """Return what the address of a callback names, None if the request is none."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        path: str = scope["path"]
        for prefix in self._prefixes:
            if path.startswith(prefix):
                order_id = path[len(prefix) :]
                return order_id if order_id and "/" not in order_id else None
        return None

    def _refusal(self, scope: Scope, order_id: str) -> str | None:
        """Say why a callback is not let in, None if it is."""
        presented = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(presented) == 1 and self._context.callback_secrets.verify(order_id, presented[0]):
            return None
        return "wrong authorization" if presented else "no authorization"

    async def _receive(
        self, scope: Scope, receive: Receive, order_id: str, request_id: str
    ) -> Problem | None:
        """Store a callback, committed when this returns, or return why it was not stored."""
        context = self._context
        try:
            body = await read_body(scope, receive)
            await context.require_migrated()
            received = Received(UUID(order_id), body)
            let_in = await self._intake.take(received)
        except HTTPException as error:
            return unread(error.status_code)
        except DATABASE_AWAY:
            return database_away()
        except TooManyWaitingError:
            self._refused.count("too many at once")
            return busy()
        except Problem as problem:
            return problem
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            log.error("request_broken", error=where_raised(error), request_id=request_id)
            return internal_error()
        if not let_in:
            # Its value is ours, so the order was: the database is older than the order.
            log.error("callback_of_unknown_order", order=order_id, request_id=request_id)
            return self._refuse("no such order")
        context.metrics.callback("repeated" if received.is_repeated else "accepted")
        if received.is_told:  # whoever repeats himself fills no disk
            log.info("callback", order=order_id, bytes=len(body), request_id=request_id)
        return None

    async def _link(self, span: tracing.Span, order_id: str) -> None:
        """Link a callback to the trace that placed its order."""
        with suppress(ValueError, SQLAlchemyError, *DATABASE_AWAY):
            placed_in = await find_placing_trace(self._context.db, UUID(order_id))
            span.tell(order=order_id)
            if placed_in is not None:
                span.link(placed_in)

    def _refuse(self, reason: str) -> Problem:
        self._context.refusals["callback", reason] += 1
        self._context.metrics.callback("refused", reason)
        self._refused.count(reason)
        return REFUSED


def _headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """Return what every answer carries."""
    return [(b"x-request-id", request_id.encode()), *ALWAYS]


def _answer(problem: Problem | None, request_id: str) -> Answer:
    """Return the answer that says what is wrong with a callback, or that nothing is."""
    if problem is None:
        return Answer(204, _headers(request_id), b"")
    told, body = REFUSED_ENCODED if problem is REFUSED else _encoded(problem)
    return Answer(problem.status, [*_headers(request_id), *told], body)


def _encoded(problem: Problem) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return a problem's headers and body."""
    response = problem.response()
    return response.raw_headers, bytes(response.body)


REFUSED = unauthorized()
REFUSED_ENCODED = _encoded(REFUSED)
