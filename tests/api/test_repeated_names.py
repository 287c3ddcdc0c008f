"""JSON in which a name comes twice is refused, not taken by its last value."""

import httpx
import pytest

JSON = {"Content-Type": "application/json", "Prefer": "wait=0"}
SITE = '{"name": "Site", "variant": "vanilla"}'


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/orders", '{"site": {"name": "One", "variant": "vanilla", "name": "Two"}}', "site.name"),
        ("/v1/orders", f'{{"site": {SITE}, "site": {SITE}}}', "site"),
        ("/v1/orders", f'{{"site": {SITE}, "metadata": {{"a": "1", "a": "1"}}}}', "metadata.a"),
        ("/v1/orders", f'{{"site": {SITE}, "account_id": "a", "account\\u005fid": "b"}}', "account_id"),
        ("/v1/keys", '{"name": "a", "scopes": ["orders:read"], "name": "b"}', "name"),
        ("/v1/keys", '{"name": "a", "scopes": [{"b": 1, "b": 2}]}', "scopes.0.b"),
        ("/v1/keys", '{"\\ud800": 1, "\\ud800": 2}', "?"),
        ("/v1/webhooks", '{"url": "https://a.example/x", "url": "https://b.example/x"}', "url"),
    ],
)
async def test_a_name_that_comes_twice_is_named(
    client: httpx.AsyncClient, path: str, body: str, name: str
) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:presshook:problem:invalid-request")
    assert answer.json()["errors"] == [
        {"field": name, "detail": "This name comes more than once in its object."}
    ]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (f'{{"site": {SITE}, "metadata": {{"name": "of another object"}}}}', JSON, 202),
        ('{"a": 1, "a": 2', JSON, 400),
        ("[" * 20_000, JSON, 400),
        ('{"a": 1, "a": 2}', {"Content-Type": "text/plain"}, 415),
        ("site=1", {"Content-Type": "text/plain"}, 415),
        ("", JSON, 422),
    ],
)
async def test_anything_else_is_answered_as_before(
    client: httpx.AsyncClient, body: str, headers: dict[str, str], status: int
) -> None:
    assert (await client.post("/v1/orders", content=body, headers=headers)).status_code == status
