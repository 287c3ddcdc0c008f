"""The OpenAPI document: valid, complete, and true in every example."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.openapi.utils import get_openapi
from openapi_spec_validator import validate

from app.api import description
from app.api.middleware import body_limit as limits
from app.api.problems.documented import EXAMPLES
from app.api.problems.problem import ProblemBody
from app.main import Service, create_app
from app.orders.representation import OrderBody
from tests.api.conftest import client_of
from tests.harness import PATIENCE_SECONDS, run_presshook, run_sandbox
from tests.settings import API_KEY, make_settings

PROBLEM = "application/problem+json"
MISSING_ORDER = "01890000-0000-7000-8000-000000000000"
PLACES: defaultdict[str, str] = defaultdict(lambda: MISSING_ORDER)
"""What stands in an address, wherever."""


@pytest.fixture
async def document(anonymous: httpx.AsyncClient) -> dict[str, Any]:
    answer = await anonymous.get("/openapi.json")
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


async def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_what_the_tests_share_of_it_is_as_it_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings("sqlite:///nowhere.db", public_url="https://host.example/shop")
    shared = [create_app(Service(settings)).openapi() for _ in range(2)]
    monkeypatch.setattr(description, "get_openapi", get_openapi)
    assert shared == [create_app(Service(settings)).openapi()] * 2


async def test_it_is_complete(document: dict[str, Any]) -> None:
    """Hold the rules that linters of OpenAPI documents hold."""
    tags = {tag["name"] for tag in document["tags"]}
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert document["info"]["license"]["identifier"] == "MIT"
    assert document["servers"]
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"]), where
        assert set(operation["tags"]) <= tags, where
        assert operation["tags"], where
        assert operation["description"], where
        assert operation["summary"], where
        for parameter in operation.get("parameters", ()):
            described = parameter.get("description") or parameter["in"] == "path"
            assert described, f"{where}: {parameter['name']}"
            assert {"type": "null"} not in parameter["schema"].get("anyOf", ()), where
        guarded = path == "/metrics" or (path.startswith("/v1/") and "callbacks" not in path)
        assert bool(operation.get("security")) is guarded, where
        if guarded:
            assert {"401", "403", "429", "503"} <= operation["responses"].keys(), where
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "422"} <= operation["responses"].keys(), where
        for status, answer in operation["responses"].items():
            assert answer["description"], where
            assert "X-Request-ID" in answer["headers"], where
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], f"{where} {status}"


async def test_nothing_is_described_that_is_used_nowhere(document: dict[str, Any]) -> None:
    text = str(document)
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}'" in text, name


async def test_the_callback_is_described_with_the_order(document: dict[str, Any]) -> None:
    [callback] = document["paths"]["/v1/orders"]["post"]["callbacks"].values()
    [(address, methods)] = callback.items()
    called = methods["post"]
    assert address == "/v1/callbacks/{$response.body#/id}"
    assert set(called["responses"]) == {"204", "401", "408", "413", "503"}
    assert [(it["name"], it["in"], it["required"]) for it in called["parameters"]] == [
        ("Authorization", "header", True)
    ]
    assert "application/json" in called["requestBody"]["content"]


BODIES: dict[int, dict[str, Any]] = {
    400: {"content": b"{", "headers": {"Content-Type": "application/json"}},
    413: {"content": b" " * 70_000, "headers": {"Content-Type": "application/json"}},
    415: {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
}
"""What is sent to be answered so."""


def error_examples(document: dict[str, Any], status: int) -> list[tuple[str, str, Any]]:
    found = []
    for method, path, operation in operations(document):
        content = operation["responses"].get(str(status), {}).get("content", {})
        if "example" in content.get(PROBLEM, {}):
            found.append((method, path.format_map(PLACES), content[PROBLEM]["example"]))
    return found


async def dripping() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


async def answer_of(
    client: httpx.AsyncClient, service: Service, method: str, path: str, status: int
) -> httpx.Response:
    """Provoke an error."""
    sent = dict(BODIES.get(status, {}))
    if status == 408:
        sent = {"content": dripping(), "headers": {"Content-Type": "application/json"}}
    key = f"Bearer {API_KEY}"
    if "/callbacks/" in path:
        key = service.callback_secrets.authorization(UUID(MISSING_ORDER))
    if status != 401:
        sent["headers"] = {**sent.get("headers", {}), "Authorization": key}
    return await client.request(method, path, **sent)


@pytest.mark.parametrize("status", sorted(EXAMPLES))
async def test_every_example_of_an_error_is_what_is_answered(
    document: dict[str, Any],
    database_url: str,
    without_database: Service,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05 if status == 408 else 30)
    service = Service(make_settings(database_url, rate_limit="100/minute" if status == 429 else None))
    asked = without_database if status == 503 else service
    examples = error_examples(document, status)
    async with service.run(reconcile=False, on_death=lambda: None), client_of(asked) as client:
        for method, path, example in examples:
            if (path, status) == ("/metrics", 503):
                continue  # with the environment's key, metrics are told while the database is away as well
            answer = await answer_of(client, asked, method, path, status)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while status == 429 and answer.status_code != 429:  # until the rate is used up
                    answer = await answer_of(client, asked, method, path, status)
            assert (answer.status_code, answer.json()) == (status, example), f"{method} {path}"
    assert examples
    ProblemBody.model_validate(example)


async def test_the_example_of_an_order_is_an_order(document: dict[str, Any]) -> None:
    [example] = document["components"]["schemas"]["OrderBody"]["examples"]
    assert OrderBody.model_validate(example).model_dump(mode="json") == example


def request_examples(document: dict[str, Any]) -> list[tuple[str, str, Any]]:
    found = []
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        schema = resolve(document, content.get("application/json", {}).get("schema", {}))
        parts = [resolve(document, part) for part in schema.get("oneOf") or schema.get("anyOf") or [schema]]
        found += [
            (method, path, example)
            for part in parts
            if part != {"type": "null"}
            for example in part.get("examples", ())
        ]
    return found


async def test_every_example_is_true(document: dict[str, Any], database_url: str) -> None:
    accounts = {"cloudpress-token-of-the-tests": "acct-tests", "sandbox-token-2": "sandbox-account-2"}
    sent = set()
    async with (
        run_sandbox(accounts=accounts) as sandbox,
        run_presshook(database_url, sandbox.url) as presshook,
    ):
        hook = await presshook.client.post("/v1/webhooks", json={"url": "https://shop.example.com/"})
        key = await presshook.client.post("/v1/keys", json={"name": "k", "scopes": ["orders:read"]})
        places = {
            "account_id": "sandbox-account-2",
            "order_id": MISSING_ORDER,
            "key_id": key.json()["id"],
            "webhook_id": hook.json()["id"],
        }
        for method, path, example in request_examples(document):
            answer = await presshook.client.request(method, path.format(**places), json=example)
            # What could be resolved or adopted is not at hand; that the example is taken shows all the same.
            is_at_hand = not path.endswith("/resolve") and not path.startswith("/v1/orphans")
            expected = {200, 201, 202} if is_at_hand else {404}
            assert answer.status_code in expected, f"{path}: {answer.text}"
            sent.add(path)
    assert sent == {path for _, path, operation in operations(document) if operation.get("requestBody")}, (
        "every body that is taken has an example"
    )


async def test_the_example_of_prefer_is_heeded(document: dict[str, Any], client: httpx.AsyncClient) -> None:
    parameters = document["paths"]["/v1/orders"]["post"]["parameters"]
    [prefer] = [parameter for parameter in parameters if parameter["name"] == "Prefer"]
    [example] = prefer["schema"]["examples"]
    # Nobody reconciles here, so a shorter wait of the same form keeps the test short.
    body = {"site": {"name": "Site", "variant": "vanilla"}}
    answer = await client.post("/v1/orders", json=body, headers={"Prefer": example.replace("5", "0")})
    assert answer.headers["preference-applied"] == "wait=0"
