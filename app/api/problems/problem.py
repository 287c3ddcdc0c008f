"""A problem, and how it is written."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
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
