"""Every error is answered as a problem, whoever raised it."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from app.api.problems.kinds import UNREAD, database_away, too_much_at_once, unauthorized, unread
from app.api.problems.problem import Problem, UnreadError
from app.api.problems.validation import of_validation
from app.db.errors import CrowdedError
from app.keys.authentication import KeyRefusedError

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
            return of_validation(request, error)
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
