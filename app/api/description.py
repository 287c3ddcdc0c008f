"""What `/openapi.json` says beyond what the routes say by themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.problems.problem import ProblemBody
from app.orders.representation import OrderBody

DESCRIPTION = """\
Orders WordPress sites from CloudPress and keeps track of them.

Everything under `/v1` but callbacks needs `Authorization: Bearer <API key>`. Errors are RFC 9457 problems,
`application/problem+json`. Every answer carries an `X-Request-ID`, which is in the log as well.
"""
TAGS = [
    {"name": "orders", "description": "Place, follow, list, cancel and resolve orders."},
    {"name": "events", "description": "What happened, page by page or as Server-Sent Events."},
    {"name": "webhooks", "description": "Where applications are told what happened, and what became of it."},
    {"name": "catalog", "description": "What can be ordered."},
    {"name": "accounts", "description": "The CloudPress accounts that orders are placed for."},
    {"name": "orphans", "description": "What CloudPress has and a restored database has lost."},
    {"name": "keys", "description": "API keys: scopes, accounts, expiry, rotation."},
    {"name": "checks", "description": "What the service finds wrong with its deployment."},
    {"name": "callbacks", "description": "Where CloudPress calls back; not for clients."},
    {"name": "health", "description": "For orchestrators."},
]
LOCATION = {"Location": "Where the order is."}
APPLIED = {"Preference-Applied": "Which wait was heeded, if one was asked for."}
KEPT = {"Vary": "`Authorization`: what is kept is for this key."}
REVALIDATE = {"Cache-Control": "`private, no-cache`: ask again with the ETag."} | KEPT
HEADERS = {
    ("placeOrder", "201"): LOCATION | APPLIED,
    ("placeOrder", "202"): LOCATION | APPLIED,
    ("placeOrder", "422"): {"Location": "Where the failed order is, if CloudPress refused it."},
    ("getOrder", "200"): {"ETag": "Names this state of the order, for `If-None-Match`."} | REVALIDATE,
    ("getOrder", "304"): {"ETag": "Names this state of the order."} | REVALIDATE,
    ("cancelOrder", "200"): APPLIED,
    ("cancelOrder", "202"): APPLIED,
    ("resolveOrder", "200"): APPLIED,
    ("resolveOrder", "202"): APPLIED,
    ("putAccount", "201"): {"Location": "Where the account is."},
    ("createKey", "201"): {"Location": "Where the key is."},
    ("createWebhook", "201"): {"Location": "Where the webhook is."},
    ("getCatalog", "200"): {"Cache-Control": "For how long the catalog is fresh."} | KEPT,
}
FOLLOWING = ("getOrder", "cancelOrder", "listOrderEvents", "resolveOrder", "refreshOrder", "getCredentials")
LINKS = {
    ("placeOrder", "201"): ("order_id", FOLLOWING),
    ("placeOrder", "202"): ("order_id", FOLLOWING),
    ("createKey", "201"): ("key_id", ("getKey", "rotateKey", "revokeKey")),
    ("createWebhook", "201"): (
        "webhook_id",
        ("getWebhook", "testWebhook", "listDeliveries", "rotateWebhookSecret", "deleteWebhook"),
    ),
    ("putAccount", "200"): ("account_id", ("getAccount", "deleteAccount")),
    ("putAccount", "201"): ("account_id", ("getAccount", "deleteAccount")),
}
RETRY_AFTER = {"Retry-After": "In how many seconds to try again."}
LIMITS = {
    "RateLimit-Policy": "How many requests (`q`) an API key may send in how many seconds (`w`).",
    "RateLimit": "How many are left (`r`), and in how many seconds there are more (`t`).",
}
ALWAYS = {
    "401": {"WWW-Authenticate": "`Bearer`"},
    "429": RETRY_AFTER | LIMITS,
    "503": {"Retry-After": "In how many seconds to try again, while the database is away."},
}
"""Headers of an answer, whatever the operation."""
REQUEST_ID = {
    "description": "Names the request; it is in the service's log as well.",
    "schema": {"type": "string"},
}


def describe(app: FastAPI, *, path: str = "") -> None:
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
                servers=[{"url": path or "/", "description": "This service"}],
            )
            _complete(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas[ProblemBody.__name__] = problem
    # The framework leaves out what is null, also where an example says so; then it is no order any more.
    schemas[OrderBody.__name__]["examples"] = OrderBody.model_json_schema()["examples"]
    for path in document["paths"].values():
        for operation in path.values():
            _complete_operation(operation)
    # The validation errors that FastAPI describes are answered as problems.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _complete_operation(operation: dict[str, Any]) -> None:
    operation["summary"] = operation["description"].partition(". ")[0].partition("\n")[0].rstrip(".")
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422", "")):
        # Described by the framework where a path has a parameter; nothing here answers so.
        del answers["422"]
    for status, answer in answers.items():
        _complete_answer(operation["operationId"], status, answer)
    for callback in operation.get("callbacks", {}).values():
        for path in callback.values():
            for called_back in path.values():
                # What CloudPress is answered, which has no validation.
                called_back["responses"].pop("422", None)
                for status, answer in called_back["responses"].items():
                    _complete_answer(called_back["operationId"], status, answer)


def _complete_answer(operation_id: str, status: str, answer: dict[str, Any]) -> None:
    headers = answer.setdefault("headers", {})
    headers["X-Request-ID"] = REQUEST_ID
    for name, description in (ALWAYS.get(status, {}) | HEADERS.get((operation_id, status), {})).items():
        headers[name] = {"description": description, "schema": {"type": "string"}}
    parameter, following = LINKS.get((operation_id, status), ("", ()))
    for name in following:
        link = {"operationId": name, "parameters": {parameter: "$response.body#/id"}}
        answer.setdefault("links", {})[name] = link
    if "application/problem+json" in answer.get("content", {}):
        answer["content"].pop("application/json", None)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema: one that may be absent is never null, which no address can say."""
    some = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(some) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **some[0]}
