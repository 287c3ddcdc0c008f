"""Liveness, readiness, and what the API says while the database is away or behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.db.url import async_database_url
from app.main import Service, create_app
from app.maintenance.schema import upgrade
from tests.settings import API_KEY, make_settings


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {API_KEY}", "Prefer": "wait=0"}
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        httpx.AsyncClient(transport=transport, base_url="http://presshook.test", headers=headers) as client,
    ):
        yield client


ORDER = {"site": {"name": "Site", "variant": "vanilla"}}


async def test_a_database_that_is_behind_is_not_touched_until_it_is_migrated(empty_database_url: str) -> None:
    service = Service(make_settings(empty_database_url))
    async with client_of(service) as client:
        assert (await client.get("/livez")).status_code == 200
        for answer in (await client.get("/readyz"), await client.post("/v1/orders", json=ORDER)):
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:presshook:problem:database-behind"
        order_id = uuid4()
        authorization = {"Authorization": service.callback_secrets.authorization(order_id)}
        assert (await client.post(f"/v1/callbacks/{order_id}", headers=authorization)).status_code == 503
        upgrade(async_database_url(empty_database_url))
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.post("/v1/orders", json=ORDER)).status_code == 202


async def test_probes_may_ask_by_head(database_url: str) -> None:
    async with client_of(Service(make_settings(database_url))) as client:
        for path in ("/livez", "/readyz"):
            asked = await client.head(path)
            assert (asked.status_code, asked.content) == (200, b"")


async def test_head_tells_as_well_that_the_database_is_behind(empty_database_url: str) -> None:
    async with client_of(Service(make_settings(empty_database_url))) as client:
        assert (await client.head("/livez")).status_code == 200
        assert (await client.head("/readyz")).status_code == 503


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_while_the_database_is_away_everything_is_503_but_livez(kind: str, tmp_path: Path) -> None:
    away = {
        "sqlite": f"sqlite:///{tmp_path}/no-such-folder/presshook.db",
        "postgresql": "postgresql://postgres:a-password@127.0.0.1:9/postgres",
    }
    service = Service(make_settings(away[kind]))
    async with client_of(service) as client:
        assert (await client.get("/livez")).status_code == 200
        order_id = uuid4()
        authorization = {"Authorization": service.callback_secrets.authorization(order_id)}
        answers = [
            await client.get("/readyz"),
            await client.post("/v1/orders", json=ORDER),
            await client.get(f"/v1/orders/{order_id}"),
            await client.post(f"/v1/callbacks/{order_id}", headers=authorization),
        ]
        for answer in answers:
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "5")
            assert "a-password" not in answer.text
        forged = await client.post(f"/v1/callbacks/{order_id}")
        assert forged.status_code == 401, "a forgery is refused without the database"
