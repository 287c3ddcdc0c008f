"""Request ids, headers, the rate limit, CORS, and the browsable description."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
from starlette.responses import StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from app.api.middleware.rate_limit import RateLimiter
from app.config.rates import Rate, parse_rate
from app.main import Service, create_app
from tests.settings import API_KEY, make_settings

WITH_KEY = {"Authorization": f"Bearer {API_KEY}"}
SHOP = "https://shop.example.com"


@asynccontextmanager
async def client_of(database_url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    service = Service(make_settings(database_url, **settings))
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        httpx.AsyncClient(transport=transport, base_url="http://presshook.test") as client,
    ):
        yield client


@pytest.mark.parametrize(
    "path", ["/livez", "/v1/orders", "/v1/nothing", "/nothing", "/openapi.json", "/docs"]
)
async def test_every_answer_has_a_request_id_and_the_headers_that_browsers_heed(
    anonymous: httpx.AsyncClient, path: str
) -> None:
    answer = await anonymous.get(path, headers=WITH_KEY)
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("origin", [None, SHOP])
async def test_what_may_be_kept_is_kept_for_its_key_alone(database_url: str, origin: str | None) -> None:
    """To a browser's cache, or a client's, an address is the same whoever asks."""
    sent = {"Origin": origin} if origin else {}
    async with client_of(database_url, cors_origins=SHOP) as client:
        body = {"site": {"name": "n", "variant": "vanilla"}}
        ordered = await client.post("/v1/orders", headers={**WITH_KEY, "Prefer": "wait=0"}, json=body)
        path = ordered.headers["location"]
        read = await client.get(path, headers={**WITH_KEY, **sent})
        again = await client.get(path, headers={**WITH_KEY, **sent, "If-None-Match": read.headers["etag"]})
    assert (read.status_code, again.status_code) == (200, 304)
    for answer in (read, again):
        assert answer.headers["cache-control"] == "private, no-cache"
        assert "Authorization" in answer.headers["vary"].split(", ")
    assert "Origin" in read.headers["vary"].split(", "), (
        "it may be kept for one origin and be asked by another"
    )
    assert "Authorization" not in ordered.headers.get("vary", ""), "nobody keeps it"


@pytest.mark.parametrize(
    "path", ["/metrics", "/ui", "/ui/", "/ui/nothing", "/ui/sign-in", "/progress/nothing"]
)
async def test_no_cache_keeps_what_depends_on_who_asks(anonymous: httpx.AsyncClient, path: str) -> None:
    assert (await anonymous.get(path, headers=WITH_KEY)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"x" * 65, "too long"), (b"two words", "no word"), (b"\xe9", "not ASCII"), (b"", "nothing")],
)
async def test_a_clients_request_id_that_is_no_plain_word_is_replaced(
    anonymous: httpx.AsyncClient, sent: bytes, reason: str
) -> None:
    answer = await anonymous.get("/livez", headers={b"X-Request-ID": sent})
    assert answer.headers["x-request-id"].encode("latin-1") != sent, reason


async def test_a_request_is_logged_by_its_route_with_its_id_and_key(client: httpx.AsyncClient) -> None:
    structlog.contextvars.clear_contextvars()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        path = "/v1/orders/01890000-0000-7000-8000-000000000000?wait=0"
        answer = await client.get(path, headers={"X-Request-ID": "mine"})
    [line] = [entry for entry in logged if entry["event"] == "request"]
    assert answer.headers["x-request-id"] == "mine"
    assert line["route"] == "/v1/orders/{order_id}"
    assert (line["status"], line["request_id"], line["key"]) == (404, "mine", "API_KEY")
    assert API_KEY not in str(logged)


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(database_url: str) -> None:
    async with client_of(database_url, rate_limit="2/hour") as client:
        for left in ("1", "0"):
            answer = await client.get("/v1/orders", headers=WITH_KEY)
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"default";q=2;w=3600'
            assert f";r={left};" in answer.headers["ratelimit"]
        refused = await client.get("/v1/orders", headers=WITH_KEY)
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:presshook:problem:rate-limited"
        assert 1700 < int(refused.headers["retry-after"]) <= 1800
        assert refused.headers["x-request-id"]
        for path in ("/livez", "/readyz"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/v1/orders")).status_code == 401, "who is not let in uses up nothing"


async def test_without_a_limit_nothing_is_said_of_one(client: httpx.AsyncClient) -> None:
    assert "ratelimit" not in (await client.get("/v1/orders")).headers


def test_a_bucket_fills_evenly_and_no_further_than_its_rate() -> None:
    now = [0.0]
    limiter = RateLimiter(Rate(2, 10), clock=lambda: now[0])
    assert [limiter.take("a")[0] for _ in range(3)] == [True, True, False]
    assert limiter.take("b")[0], "another key has a bucket of its own"
    now[0] = 4.9
    assert limiter.take("a") == (False, 0, 1)
    now[0] = 5.0
    assert limiter.take("a")[0]
    now[0] = 1000.0
    assert [limiter.take("a")[0] for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "rate"), [("100/minute", Rate(100, 60)), (" 5 / Second", Rate(5, 1)), ("1/day", Rate(1, 86400))]
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0/minute", "100", "100/fortnight", "-1/minute", "1.5/second"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="100/minute"):
        parse_rate(text)


async def test_no_origin_is_let_in_unless_it_is_set(database_url: str) -> None:
    asked = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST"}
    async with client_of(database_url) as client:
        answer = await client.options("/v1/orders", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
    async with client_of(database_url, cors_origins="https://shop.example.com") as client:
        answer = await client.options("/v1/orders", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
        other = await client.options("/v1/orders", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_script_that_is_let_in_may_use_every_method_and_bring_its_trace(
    database_url: str, method: str
) -> None:
    """HEAD is answered wherever GET is, and a client's own `traceparent` is gone on with."""
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,traceparent",
    }
    async with client_of(database_url, cors_origins=SHOP) as client:
        answer = await client.options("/v1/orders", headers=asked)
    assert answer.status_code == 200, answer.text
    assert method in answer.headers["access-control-allow-methods"].split(", ")


async def test_the_docs_need_nothing_from_elsewhere(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for address in loaded:
        assert address.startswith("/docs/")
        assert (await anonymous.get(address)).status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert (await anonymous.get("/docs/../main.py")).status_code == 404


async def test_a_wrong_method_is_told_the_right_ones(client: httpx.AsyncClient) -> None:
    answer = await client.patch("/v1/orders")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert json.loads(answer.text)["type"] == "urn:presshook:problem:method-not-allowed"


async def test_a_defect_is_a_problem_with_a_request_id_and_its_text_is_nowhere(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("s3cr3t")

    # No request is known to break ours, so one is broken by hand.
    monkeypatch.setattr("app.api.visible.find_order", broken)
    with capture_logs() as logged:
        answer = await client.get("/v1/orders/01890000-0000-7000-8000-000000000000")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:presshook:problem:internal-error"
    assert answer.headers["x-request-id"]
    [line] = [entry for entry in logged if entry["event"] == "request_broken"]
    assert line["error"].startswith("ZeroDivisionError in broken, test_protection.py:")
    assert "s3cr3t" not in str(logged) + answer.text


async def _first_then_broken() -> AsyncIterator[bytes]:
    yield b"first"
    raise ZeroDivisionError("s3cr3t")


async def _broken(*_arguments: object, **_options: object) -> None:
    raise ZeroDivisionError("s3cr3t")


def _broken_around(*_arguments: object, **_options: object) -> None:
    raise ZeroDivisionError("s3cr3t")


@pytest.mark.parametrize(
    ("broken", "told_by_cors"),
    [
        ("app.api.visible.find_order", SHOP),
        ("app.api.auth.Authentication._grant", SHOP),
        ("starlette.middleware.cors.CORSMiddleware.simple_response", None),
    ],
    ids=["a route", "what lets in", "what stands around all that"],
)
async def test_a_script_that_is_let_in_can_read_that_something_broke(
    database_url: str, monkeypatch: pytest.MonkeyPatch, broken: str, told_by_cors: str | None
) -> None:
    """It is told to report the id of the answer, which a browser shows to it only where CORS says so."""
    monkeypatch.setattr(broken, _broken if told_by_cors else _broken_around)
    headers = {"Origin": SHOP, "X-Request-ID": "mine", **WITH_KEY}
    async with client_of(database_url, cors_origins=SHOP) as client:
        with capture_logs() as logged:
            answer = await client.get("/v1/orders/01890000-0000-7000-8000-000000000000", headers=headers)
        metrics = (await client.get("/metrics", headers=WITH_KEY)).text if "auth" not in broken else ""
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:presshook:problem:internal-error")
    assert answer.headers.get("access-control-allow-origin") == told_by_cors
    assert "X-Request-ID" in answer.headers.get("access-control-expose-headers", "X-Request-ID")
    assert (answer.headers["x-request-id"], answer.headers["cache-control"]) == ("mine", "no-store")
    assert [entry["event"] for entry in logged if "request" in entry["event"]] == [
        "request_broken",
        "request",
    ]
    assert "s3cr3t" not in str(logged) + answer.text
    if told_by_cors and metrics:
        assert 'method="GET",route="/v1/orders/{order_id}",status="500"' in metrics


@pytest.mark.parametrize("origins", [None, SHOP])
async def test_an_answer_that_breaks_in_the_midst_is_cut_off_and_told_once(
    database_url: str, origins: str | None
) -> None:
    """What has begun can say nothing more: neither a second head, nor that it is whole."""
    service = Service(make_settings(database_url, cors_origins=origins))
    app = create_app(service)
    app.router.routes.append(Route("/begun", lambda _request: StreamingResponse(_first_then_broken())))
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://presshook.test") as client,
    ):
        with capture_logs() as logged, pytest.raises(ConnectionAbortedError):
            await client.get("/begun", headers={"Origin": SHOP})
    assert [entry["event"] for entry in logged if "request" in entry["event"]] == [
        "request_broken",
        "request",
    ]
    assert "s3cr3t" not in str(logged)
