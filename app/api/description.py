"""What `/openapi.json` says beyond what the routes say by themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

DESCRIPTION = """\
Orders WordPress sites from CloudPress and keeps track of them.

Everything under `/v1` but callbacks needs `Authorization: Bearer <API key>`. Errors are RFC 9457 problems,
`application/problem+json`. Every answer carries an `X-Request-ID`, which is in the log as well.
"""
TAGS = [
    {"name": "orders", "description": "Place, follow, list, cancel and resolve orders."},
    {"name": "catalog", "description": "What can be ordered."},
    {"name": "accounts", "description": "The CloudPress accounts that orders are placed for."},
    {"name": "keys", "description": "API keys: scopes, accounts, expiry, rotation."},
    {"name": "callbacks", "description": "Where CloudPress calls back; not for clients."},
    {"name": "health", "description": "For orchestrators."},
]
REQUEST_ID = {
    "description": "Names the request; it is in the service's log as well.",
    "schema": {"type": "string"},
}


def describe(app: FastAPI) -> None:
    """Have `/openapi.json` tell all that a generator of clients wants to know."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary="Orders WordPress sites from CloudPress and keeps track of them.",
                description=DESCRIPTION,
                routes=app.routes,
                tags=TAGS,
                license_info={"name": "MIT", "identifier": "MIT"},
                servers=[{"url": "/", "description": "This service"}],
            )
            _complete(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            _complete_operation(operation)
    # The validation errors that FastAPI describes are answered as problems.
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _complete_operation(operation: dict[str, Any]) -> None:
    for answer in operation["responses"].values():
        answer.setdefault("headers", {})["X-Request-ID"] = REQUEST_ID
        if "application/problem+json" in answer.get("content", {}):
            answer["content"].pop("application/json", None)
