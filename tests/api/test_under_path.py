"""The service under a path of its host: asked with it or without, it says where things are with it."""

import re
from collections.abc import AsyncIterator
from urllib.parse import unquote

import httpx
import pytest

from app.api.middleware.under_path import OURS
from app.main import Service
from tests.api.conftest import client_of
from tests.settings import API_KEY, make_settings

PATH = "/presshook"
ORDER = {"site": {"name": "Site", "variant": "vanilla"}}


@pytest.fixture(params=[PATH, "/v1"])
async def client(
    database_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """A path, and a client of a service that is told to be under it."""
    path: str = request.param
    service = Service(make_settings(database_url, public_url=f"https://host.example{path}/"))
    async with service.run(reconcile=False, on_death=lambda: None), client_of(service) as client:
        yield path, client


@pytest.mark.parametrize("stripped", [True, False], ids=["the proxy takes it away", "the proxy leaves it"])
async def test_all_is_found_and_says_where_it_is(
    client: tuple[str, httpx.AsyncClient], *, stripped: bool
) -> None:
    path, asking = client
    at = "" if stripped else path
    headers = {"Authorization": f"Bearer {API_KEY}", "Prefer": "wait=0"}
    placed = await asking.post(f"{at}/v1/orders", json=ORDER, headers=headers)
    order_id = placed.json()["id"]
    assert placed.headers["Location"] == f"{path}/v1/orders/{order_id}"
    assert (await asking.get(placed.headers["Location"], headers=headers)).json()["id"] == order_id
    assert (await asking.get(f"{at}/openapi.json")).json()["servers"][0]["url"] == path
    index = (await asking.get(f"{at}/")).json()
    assert index["docs"] == f"{path}/docs"
    page = await asking.get(index["docs"])
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"|url: '([^']+)'", page.text)
    assert len(loaded) == 4
    for found in loaded:
        address = "".join(found)
        assert address.startswith(f"{path}/")
        assert (await asking.get(address)).status_code == 200


async def test_nothing_is_let_in_by_it(client: tuple[str, httpx.AsyncClient]) -> None:
    path, asking = client
    for address in (f"{path}/v1/orders", f"{path}/v1", f"{path}{path}/v1/orders", f"{path}//v1/orders"):
        answer = await asking.get(address)
        assert answer.status_code in {401, 404}
    assert (await asking.get(f"{path}/v1/orders")).status_code == 401
    callback = await asking.post(f"{path}/v1/callbacks/01890000-0000-7000-8000-000000000000")
    assert callback.status_code == 401


async def test_a_neighbour_is_not_ours(client: tuple[str, httpx.AsyncClient]) -> None:
    path, asking = client
    assert (await asking.get(f"{path}house/livez")).status_code in {401, 404}


async def test_all_that_there_is_is_known_to_be_ours(client: tuple[str, httpx.AsyncClient]) -> None:
    document = (await client[1].get("/openapi.json")).json()
    assert {path.split("/")[1] for path in document["paths"]} <= OURS


async def test_callbacks_come_in_under_a_path_that_is_spelled_out(database_url: str) -> None:
    """A path of PUBLIC_URL may hold what an address spells out."""
    service = Service(make_settings(database_url, public_url="https://host.test/my%20shop"))
    async with service.run(reconcile=False, on_death=lambda: None), client_of(service) as client:
        order = "01a2241d-5b7b-7332-b183-4d795dae9542"
        answer = await client.post(f"/v1/callbacks/{order}")
        assert answer.status_code == 401, "the proxy took the path away"
        answer = await client.post(f"/my%20shop/v1/callbacks/{order}")
        assert answer.status_code == 401, "the proxy left it"


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/店", "/%E5%BA%97"),
        ("/%E5%BA%97", "/%E5%BA%97"),
        ("/my%20shop", "/my%20shop"),
        ("/café/a", "/caf%C3%A9/a"),
        ("/50%", "/50%25"),
    ],
)
async def test_an_address_is_written_as_a_header_can_hold_it(
    database_url: str, path: str, written: str
) -> None:
    """An order was stored and answered with 500, or with a `Location` that is none: clients order again."""
    service = Service(make_settings(database_url, public_url=f"https://host.example{path}"))
    headers = {"Authorization": f"Bearer {API_KEY}", "Prefer": "wait=0"}
    async with service.run(reconcile=False, on_death=lambda: None), client_of(service) as client:
        for at in ("", unquote(path)):
            placed = await client.post(f"{at.replace('%', '%25')}/v1/orders", json=ORDER, headers=headers)
            assert placed.status_code == 202, placed.text
            assert placed.headers["Location"] == f"{written}/v1/orders/{placed.json()['id']}"
        index = (await client.get("/")).json()
        assert index["docs"] == f"{written}/docs"
        assert (await client.get(index["docs"])).status_code == 200
