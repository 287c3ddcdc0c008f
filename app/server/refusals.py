"""The answers that the server gives by itself: problems as the service's own, with an id and its headers."""

from functools import lru_cache

from uuid_utils import uuid4

from app.api.middleware.headers import SECURITY
from app.api.problems.kinds import RETRY, internal_error
from app.api.problems.problem import Problem
from app.server.wire import CLOSE, STATUS_LINES

OVERFULL = Problem(
    503, "too-many-connections", "There are too many connections at the moment. Try again.", headers=RETRY
)
ENDING = Problem(
    503,
    "ending",
    "The process ends, and whether what was asked for is done is not known. Try again; an order that has an "
    "Idempotency-Key is not stored twice.",
    headers=RETRY,
)
BROKEN = internal_error()
UNREADABLE = {
    400: Problem(400, "bad-request", "The request is no HTTP that can be understood here."),
    414: Problem(414, "uri-too-long", "The address is too long."),
    431: Problem(431, "header-fields-too-large", "The head of the request is too large."),
}
"""What cannot be read is refused by these, by its status."""


def refusal(problem: Problem) -> bytes:
    """Return a whole answer that tells a problem and closes the connection; each has an id of its own."""
    head, body = _around_id(problem)
    return b"%b%b%b" % (head, str(uuid4()).encode(), body)


@lru_cache(maxsize=16)
def _around_id(problem: Problem) -> tuple[bytes, bytes]:
    response = problem.response()
    lines = [STATUS_LINES[problem.status]]
    lines += (b"%b: %b" % (name, value) for name, value in response.raw_headers)
    lines += (f"{name.lower()}: {value}".encode() for name, value in SECURITY.items())
    lines += (b"cache-control: no-store", CLOSE, b"x-request-id: ")
    return b"\r\n".join(lines), b"\r\n\r\n" + bytes(response.body)
