"""Errors as RFC 9457 `application/problem+json`.

None repeats a value that was sent, which may be a secret; fields are named.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from app.db.errors import CrowdedError
from app.keys.authentication import KeyRefusedError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
RETRY = {"Retry-After": str(RETRY_SECONDS)}
# The words of RFC 9110 and RFC 6585, which Python's own table has or has not, by its release.
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

log = structlog.get_logger()
UNREAD = {
    400: "The body could not be read.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    408: "The body did not come within 30 seconds.",
    413: "The body is too large.",
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="The field's, header's or parameter's name, such as `site.name`.")
    detail: str = Field(description="What is wrong with it.")


class ProblemBody(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(description="Names the kind of problem, for good.")
    title: str
    status: int
    detail: str
    errors: list[FieldError | str] | None = None
    order_id: str | None = None
    scope: str | None = None
    suspects: list[str] | None = Field(
        default=None, description="The CloudPress orders that may be the order and were not shown."
    )
    callbacks: int | None = Field(
        default=None, description="How many callbacks were let in that were not shown."
    )
    oldest: int | None = Field(default=None, description="The number from which on all events are kept.")


class Problem(Exception):
    """An error that a client is told.

    `code` names the kind of problem for good; `members` are added to the body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.members = members

    @property
    def body(self) -> dict[str, object]:
        """The problem as JSON."""
        return {
            "type": f"urn:presshook:problem:{self.code}",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> JSONResponse:
        """Return the problem as an answer."""
        return JSONResponse(self.body, self.status, headers=self.headers, media_type=MEDIA_TYPE)


class UnreadError(HTTPException):
    """A problem that came up while a body was read, where the framework lets only its own errors through."""

    def __init__(self, problem: Problem) -> None:
        """Keep what is answered."""
        super().__init__(problem.status)
        self.problem = problem


def unauthorized() -> Problem:
    """Return the one answer to whoever is not let in, whatever the reason."""
    return Problem(
        401,
        "unauthorized",
        "The Authorization header is missing or is not accepted here.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def database_away() -> Problem:
    """Return the answer while the database cannot be used."""
    return Problem(
        503,
        "database-away",
        "The database cannot be used at the moment. Try again; an order that has an Idempotency-Key is not "
        "stored twice, should this one have been stored all the same.",
        headers=RETRY,
    )


def busy() -> Problem:
    """Return the answer while more comes in than can be stored."""
    return Problem(
        503,
        "busy",
        "More comes in than can be stored at the moment, and this was not stored. Try again.",
        headers={"Retry-After": "1"},
    )


def too_much_at_once() -> Problem:
    """Return the answer to a key whose requests have waited for each other too long."""
    return Problem(
        503,
        "busy",
        "This API key asks for more at once than this replica reads for one key. Try again, with fewer "
        "requests at a time; an order that has an Idempotency-Key is not stored twice.",
        headers=RETRY,
    )


def internal_error() -> Problem:
    """Return the answer where a defect of ours has shown."""
    return Problem(
        500,
        "internal-error",
        "Something broke in Presshook. Try again, and report it with the X-Request-ID of this answer.",
    )


def not_found(what: str = "order") -> Problem:
    """Return the answer for what does not exist, or not for this API key."""
    return Problem(404, "not-found", f"There is no such {what}.")


def events_gone(oldest: int) -> Problem:
    """Return the answer where a list or a stream begins before what is kept; `oldest` is what is."""
    return Problem(
        410,
        "events-gone",
        f"Events before number {oldest} may have been pruned. Read orders anew for what they say now, and "
        f"begin after {oldest - 1} (`cursor`, `Last-Event-ID`).",
        oldest=oldest,
    )


def invalid_field(name: str, detail: str) -> Problem:
    """Return the answer for a field that is well-formed and still not acceptable."""
    field = {"field": name, "detail": detail}
    return Problem(422, "invalid-request", "Some fields are missing or not acceptable.", errors=[field])


def malformed_json() -> Problem:
    """Return the answer to a body that is no JSON."""
    return Problem(400, "malformed-json", "The body is not valid JSON.")


def unsupported_media_type() -> Problem:
    """Return the answer to a body that does not say that it is JSON."""
    return Problem(
        415, "unsupported-media-type", "Send the body as JSON, with Content-Type: application/json."
    )


def unread(status: int) -> Problem:
    """Return the answer where a request is turned away before it is understood."""
    return Problem(status, TITLES[status].lower().replace(" ", "-"), UNREAD[status])


def rate_limited(requests: int, seconds: int, *, wait_seconds: int) -> Problem:
    """Return the answer to a key that asks too often."""
    return Problem(
        429,
        "rate-limited",
        f"This API key may send {requests} requests in {seconds} seconds. Try again in {wait_seconds} s.",
        headers={"Retry-After": str(wait_seconds)},
    )


def too_many_streams(most: int) -> Problem:
    """Return the answer to a key that has as many streams open as it may: none where others have all."""
    told = (
        f"This API key may have {most} streams and waiting requests open at this replica, and has."
        if most
        else "Other API keys have all streams and waiting requests open that this replica admits."
    )
    return Problem(
        429,
        "too-many-streams",
        f"{told} Try again once one of them has ended, or have several readers share a stream.",
        headers=RETRY,
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for the OpenAPI document, each with an example where there is one for all."""
    described: dict[int | str, dict[str, Any]] = {}
    # What every body and every key can meet.
    further = {413: 408, 403: 429}
    for status in sorted({*statuses, *(further[status] for status in statuses if status in further)}):
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
        if status in EXAMPLES:
            content["example"] = EXAMPLES[status].body
        described[status] = {"description": TITLES[status], "content": {MEDIA_TYPE: content}}
    return described


EXAMPLES = {
    400: malformed_json(),
    401: unauthorized(),
    408: unread(408),
    413: unread(413),
    415: unsupported_media_type(),
    429: rate_limited(100, 60, wait_seconds=1),
    503: database_away(),
}


# The errors that say something to whoever asked; all others are defects of ours.
TOLD = (
    Problem,
    HTTPException,
    RequestValidationError,
    KeyRefusedError,
    OperationalError,
    InterfaceError,
    PoolTimeout,
)


def install(app: FastAPI) -> None:
    """Have every error answered as a problem."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(request, error)
        if problem is None:
            raise error
        if isinstance(error, HTTPException) and error.status_code == 405:
            problem.headers = {"Allow": ", ".join(_methods(request)) or "GET, HEAD"}
        return problem.response()

    for kind in TOLD:
        app.add_exception_handler(kind, answer)


def problem_of(request: Request, error: Exception) -> Problem | None:
    """Return what an error is to whoever asked; None for a defect of ours."""
    match error:
        case Problem():
            return error
        case UnreadError():
            return error.problem
        case HTTPException():
            return _of_http_exception(error)
        case RequestValidationError():
            return _of_validation(request, error)
        case KeyRefusedError():
            return unauthorized()
        case CrowdedError():
            return too_much_at_once()
        case OperationalError() | InterfaceError() | PoolTimeout():
            return database_away()
        case _:
            return None


def _methods(request: Request) -> list[str]:
    """Return what an address takes, by its description. The framework tells of the first route alone."""
    methods = {
        method.upper()
        for path, operations in request.app.openapi()["paths"].items()
        if compile_path(path)[0].match(request.scope["path"])
        for method in operations
    }
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _of_http_exception(error: HTTPException) -> Problem:
    return unread(error.status_code if error.status_code in UNREAD else 400)


def _of_validation(request: Request, invalid: RequestValidationError) -> Problem:
    errors: Sequence[Any] = invalid.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return malformed_json()
    sent_as = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    whole_body = any(tuple(error["loc"]) == ("body",) for error in errors)
    if whole_body and not (sent_as == "application/json" or sent_as.endswith("+json")):
        return unsupported_media_type()
    fields = [{"field": _field(error, invalid.body), "detail": _reason(error)} for error in errors]
    return Problem(422, "invalid-request", "Some fields are missing or not acceptable.", errors=fields)


def _field(error: Mapping[str, Any], body: object) -> str:
    """Name a field as the client knows it: `site.name`, or the header's or parameter's name."""
    location: Sequence[str | int] = error["loc"]
    if error["type"].startswith("union_tag"):
        return str(error["ctx"]["discriminator"]).strip("'")
    names: list[str] = []
    sent = body if location[0] == "body" else None
    for place, part in enumerate(location[1:], 2):
        if part == "[key]":
            # A name that may not be is no field's: what holds it is told.
            return ".".join(names if isinstance(sent, dict) else names[:-1])
        is_tag = place < len(location) and isinstance(sent, dict) and part not in sent
        if not is_tag:  # which of several forms the body takes is no field of it
            names.append(str(part))
            sent = sent.get(part) if isinstance(sent, dict) else None
    return ".".join(names) or str(location[0])


def _reason(error: Mapping[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":
        return f"Input should be one of {error['ctx']['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        return "Field required"
    return str(error["msg"]).removeprefix("Value error, ")
