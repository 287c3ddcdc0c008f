"""Nobody gets in who doesn't belong."""

import httpx
import pytest
from starlette.types import Scope

from app.api import auth
from app.api.middleware.guessing import BURST, LONGEST_WAIT_SECONDS, MOST_ADDRESSES, Guesses
from app.main import Service, create_app
from tests.api.conftest import client_of
from tests.settings import API_KEY, make_settings

ORDER = "/v1/orders/01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("POST", "/v1/orders", "before the body is looked at"),
        ("GET", ORDER, "before the order is looked for"),
        ("GET", f"{ORDER}/credentials", "before the order is looked for"),
        ("GET", "/v1/orders/not-a-uuid", "before the path is checked"),
        ("GET", "/v1/nothing", "before it is known that there is nothing"),
        ("PUT", "/v1/orders", "before the method is looked at"),
        ("GET", "/v1", "the prefix itself"),
        ("GET", "/v1/", "the prefix itself"),
        ("GET", "/v1/callbacks", "only what is under it is CloudPress's"),
        ("GET", "/v1/%6frders", "however it is spelt"),
    ],
)
async def test_without_a_key_everything_is_401(
    anonymous: httpx.AsyncClient, method: str, path: str, reason: str
) -> None:
    answer = await anonymous.request(method, path, content=b"{not json")
    assert answer.status_code == 401, reason
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {API_KEY}",
        API_KEY,
        f"Bearer {API_KEY}x",
        f"Bearer {API_KEY[:-1]}",
        "Bearer \xff",
    ],
)
async def test_a_wrong_key_is_401_and_not_repeated(anonymous: httpx.AsyncClient, authorization: str) -> None:
    headers = {b"Authorization": authorization.encode("latin-1")}
    answer = await anonymous.get(ORDER, headers=headers)
    assert answer.status_code == 401
    assert API_KEY[:8] not in answer.text


async def test_two_keys_are_no_key(anonymous: httpx.AsyncClient) -> None:
    value = ("Authorization", f"Bearer {API_KEY}")
    assert (await anonymous.get(ORDER, headers=[value, value])).status_code == 401


async def test_the_scheme_is_read_in_any_letter_case(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(ORDER, headers={"Authorization": f"bearer {API_KEY}"})
    assert answer.status_code == 404


async def test_without_any_key_set_nobody_gets_in(database_url: str) -> None:
    service = Service(make_settings(database_url, api_key=None))
    transport = httpx.ASGITransport(create_app(service))
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        httpx.AsyncClient(transport=transport, base_url="http://presshook.test") as client,
    ):
        for value in ("Bearer None", "Bearer ", "Bearer null"):
            assert (await client.get(ORDER, headers={"Authorization": value})).status_code == 401


async def test_what_can_be_no_key_is_401_even_while_the_database_is_away(without_database: Service) -> None:
    async with client_of(without_database) as client:
        for presented, status in (("garbage", 401), ("phk_garbage", 503)):
            answer = await client.get(ORDER, headers={"Authorization": f"Bearer {presented}"})
            assert answer.status_code == status, presented


async def test_the_rest_needs_no_key(anonymous: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/openapi.json", "/docs"):
        assert (await anonymous.get(path)).status_code == 200


def test_wrong_keys_of_an_address_are_answered_ever_more_slowly_and_forgiven_with_time() -> None:
    now = 0.0
    guesses = Guesses(clock=lambda: now)
    assert [guesses.wait_seconds("one") for _ in range(BURST)] == [0] * BURST
    waits = [guesses.wait_seconds("one") for _ in range(100)]
    assert waits[:3] == [1, 2, 3]
    assert max(waits) == waits[-1] == LONGEST_WAIT_SECONDS
    assert guesses.wait_seconds("other") == 0
    now = LONGEST_WAIT_SECONDS + BURST
    assert [guesses.wait_seconds("one") for _ in range(BURST)] == [0] * BURST
    for number in range(2 * MOST_ADDRESSES):
        guesses.wait_seconds(f"address {number}")
    assert len(guesses._buckets) == MOST_ADDRESSES


@pytest.mark.parametrize("wrong", ["Bearer wrong", "Bearer phk_wrong", "Basic x", f"Bearer {API_KEY}x"])
async def test_only_wrong_keys_wait(service: Service, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    slept: list[float] = []

    async def sleep(_scope: Scope, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(auth, "hold_back", sleep)
    async with client_of(service) as client:
        for _ in range(BURST + 3):
            assert (await client.get(ORDER, headers={"Authorization": wrong})).status_code == 401
        assert slept == pytest.approx([1, 2, 3], abs=0.9)
        assert (await client.get(ORDER)).status_code == 401
        assert (await client.get(ORDER, headers={"Authorization": f"Bearer {API_KEY}"})).status_code == 404
        assert len(slept) == 3
