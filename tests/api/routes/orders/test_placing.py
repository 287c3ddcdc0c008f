"""Orders over our API: what is taken, what is refused, and how."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from app.api import waiting
from app.api.bodies.orders import OrderRequest, SiteRequest
from app.api.waiting import DEFAULT_WAIT_SECONDS, preferred_wait_seconds
from app.orders.intake import fingerprint_of
from tests.harness import run_presshook, run_sandbox
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT

UNKNOWN = "01890000-0000-7000-8000-000000000000"


def order(**site: Any) -> dict[str, Any]:
    return {"site": {"name": "Site", "variant": "vanilla", **site}}


async def test_an_order_is_accepted_and_can_be_read(client: httpx.AsyncClient) -> None:
    body = {**order(plan="Starter"), "metadata": {"customer": "47"}}
    answer = await client.post("/v1/orders", json=body)
    assert answer.status_code == 202
    shown = answer.json()
    assert shown["status"] == "pending"
    assert shown["account_id"] == CLOUDPRESS_ACCOUNT
    assert shown["metadata"] == {"customer": "47"}
    assert shown["request"] == {
        "name": "Site", "variant": "vanilla", "location": None, "plan": "Starter", "return_url": None,
    }  # fmt: skip
    assert shown["created_at"].endswith("Z")
    assert (await client.get(answer.headers["location"])).json() == shown


async def test_an_order_that_does_not_exist_is_404(client: httpx.AsyncClient) -> None:
    for path in (f"/v1/orders/{UNKNOWN}", f"/v1/orders/{UNKNOWN}/credentials", "/v1/nothing"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.json()["status"] == 404


LONG = "x" * 256


@pytest.mark.parametrize(
    ("body", "fields", "reason"),
    [
        ({}, ["site"], "there is no site"),
        ({"site": None}, ["site"], "it is none"),
        ({"site": {}}, ["site.name", "site.variant"], "both are needed"),
        (order(name=""), ["site.name"], "at least one character"),
        (order(name=LONG), ["site.name"], "at most 255"),
        (order(name="a\nb"), ["site.name"], "no control characters"),
        (order(name="a\x00b"), ["site.name"], "no control characters"),
        (order(name="\ud800"), ["site.name"], "half a character"),
        (order(name=5), ["site.name"], "strict types"),
        (order(variant="deluxe"), ["site.variant"], "one of CloudPress's variants"),
        (order(location=""), ["site.location"], "absent or something"),
        (order(return_url="javascript:alert(1)"), ["site.return_url"], "http or https"),
        (order(return_url="https://"), ["site.return_url"], "a host"),
        (order(return_url="http://[::1"), ["site.return_url"], "a URL"),
        (order(colour="red"), ["site.colour"], "unknown fields are refused"),
        ({**order(), "colour": "red"}, ["colour"], "unknown fields are refused"),
        ({**order(), "metadata": {"a": 1}}, ["metadata.a"], "strings alone"),
        ({**order(), "metadata": {"a": "\x00"}}, ["metadata.a"], "no control characters"),
        ({**order(), "metadata": {str(n): "" for n in range(51)}}, ["metadata"], "at most 50"),
        ({**order(), "account_id": "another"}, ["account_id"], "no token is known for it"),
    ],
)
async def test_a_bad_order_names_its_fields(
    client: httpx.AsyncClient, body: dict[str, Any], fields: list[str], reason: str
) -> None:
    # Escaped, because half a character can be written in JSON only so.
    content = json.dumps(body)
    answer = await client.post("/v1/orders", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"].removesuffix(".[key]") for error in answer.json()["errors"]] == fields, reason


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b'{"site": ' + b"1" * 5000 + b"}", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"", "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"site": {"name": "Site", "variant": "vanilla"}}', "text/plain", 415),
        (b"site=1", "application/x-www-form-urlencoded", 415),
        (b" " * 70_000, "application/json", 413),
    ],
)
async def test_a_body_that_is_no_order(
    client: httpx.AsyncClient, content: bytes, content_type: str, status: int
) -> None:
    answer = await client.post("/v1/orders", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_rejected_input_is_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/orders", json=order(variant="my-secret", name="my-secret\n"))
    assert answer.status_code == 422
    assert "my-secret" not in answer.text


async def test_a_repeated_key_is_the_same_order(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "abc"}
    answers = [await client.post("/v1/orders", json=order(), headers=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_repeated_key_of_a_completed_order_shows_all_of_it(database_url: str) -> None:
    once = {"Idempotency-Key": "abc"}
    async with run_sandbox() as sandbox, run_presshook(database_url, sandbox.url) as presshook:
        first = await presshook.client.post("/v1/orders", json=order(), headers=once)
        completed = await presshook.until(first.json()["id"], "completed")
        again = await presshook.client.post("/v1/orders", json=order(), headers=once)
    assert (again.status_code, again.json()) == (201, completed)
    assert completed["tasks"]
    assert completed["site"]


@pytest.mark.parametrize(
    ("prefer", "seconds", "reason"),
    [
        ("wait=1", 1, "the only preference"),
        ("respond-async, wait=1", 1, "the second of two"),
        ("wait=1; foo=2", 1, "with a parameter of its own"),
        ('Wait="1"', 1, "in any letter case, quoted"),
        ("foo; wait=1", DEFAULT_WAIT_SECONDS, "a parameter of another preference"),
        ("foo=bar; wait=1, other", DEFAULT_WAIT_SECONDS, "the same among others"),
        ('note="later, wait=0"', DEFAULT_WAIT_SECONDS, "quoted text of another preference"),
        ('note="later, \\", wait=0", wait=2', 2, "after quoted text that has a quote in it"),
        ('note="later, wait=2', DEFAULT_WAIT_SECONDS, "in quotes that nothing closes"),
        ("wait=99", 30, "no longer than that"),
        ("wait=99999999999", 30, "nor than that"),
    ],
)
def test_a_wait_is_a_preference_and_no_parameter_of_one(prefer: str, seconds: float, reason: str) -> None:
    assert preferred_wait_seconds(prefer) == seconds, reason


async def test_preferences_are_heard_in_every_line(
    anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "DEFAULT_WAIT_SECONDS", 0.0)
    key = ("Authorization", f"Bearer {API_KEY}")
    for lines, applied in ((["respond-async", "wait=0"], "wait=0"), (["foo; wait=1"], None)):
        headers = [key, *(("Prefer", line) for line in lines)]
        answer = await anonymous.post("/v1/orders", json=order(), headers=headers)
        assert (answer.status_code, answer.headers.get("preference-applied")) == (202, applied)


async def test_etags_are_compared_in_every_line(client: httpx.AsyncClient) -> None:
    placed = await client.post("/v1/orders", json=order())
    address = placed.headers["location"]
    etag = (await client.get(address)).headers["etag"]
    lines = [("If-None-Match", '"another"'), ("If-None-Match", etag)]
    assert (await client.get(address, headers=lines)).status_code == 304
    assert (await client.get(address, headers=lines[:1])).status_code == 200


async def test_a_key_at_once_is_one_order(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "at once"}
    answers = await asyncio.gather(*(client.post("/v1/orders", json=order(), headers=key) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "abc"}
    await client.post("/v1/orders", json=order(), headers=key)
    answer = await client.post("/v1/orders", json=order(plan="Other"), headers=key)
    assert answer.status_code == 409


async def test_a_key_is_the_same_however_the_json_is_written(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/orders", json=order(plan=None), headers={"Idempotency-Key": "abc"})
    written = b'{ "metadata": {}, "site": {"variant": "vanilla", "name": "Site"} }'
    headers = {"Idempotency-Key": "abc", "Content-Type": "application/json"}
    again = await client.post("/v1/orders", content=written, headers=headers)
    assert again.json()["id"] == first.json()["id"]


class LaterSite(SiteRequest):
    region: str | None = None


class LaterRequest(OrderRequest):
    site: LaterSite
    is_gift: bool = False


@pytest.mark.parametrize(
    "said",
    [
        {"site": {"name": "Site", "variant": "vanilla"}},
        {
            "site": {
                "name": "S",
                "variant": "migration",
                "location": "A",
                "plan": "B",
                "return_url": "https://x.test/",
            },
            "account_id": "acct",
            "metadata": {"customer": "4711"},
        },
    ],
)
def test_a_field_that_is_added_changes_no_key_of_a_request_that_does_not_use_it(said: dict[str, Any]) -> None:
    now, later = OrderRequest.model_validate(said), LaterRequest.model_validate(said)
    # What the first release knew of requests.
    first = fingerprint_of(now.model_dump(mode="json", exclude={"progress_page"}))
    assert fingerprint_of(now.told()) == first, "as the first release has stored it"
    assert fingerprint_of(later.told()) == first
    for using in ({"progress_page": True}, {"is_gift": True}):
        assert fingerprint_of(LaterRequest.model_validate({**said, **using}).told()) != first


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_bad_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/v1/orders", json=order(), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


async def test_unsupported_methods_are_problems(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/orders", json={})
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
