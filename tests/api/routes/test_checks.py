"""The checks over HTTP: what they found last, run at most every half minute, for who sees all."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.main import Service
from app.maintenance.doctor.checks import Check, Result
from tests.api.conftest import client_of
from tests.dashboard.conftest import new_key
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT


async def nothing(_self: object) -> AsyncIterator[Result]:
    """The way in is another test's."""
    none: tuple[Result, ...] = ()
    for result in none:
        yield result


async def test_the_checks_are_read_and_run(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.maintenance.doctor.repeating.Repeating._way_in", nothing)
    async with client_of(service, Authorization=f"Bearer {API_KEY}") as client:
        assert (await client.get("/v1/checks")).json()["data"] == []
        ran = await client.post("/v1/checks/run")
        assert ran.status_code == 200, ran.text
        found = {each["id"]: each for each in ran.json()["data"]}
        assert found["database.rights"]["outcome"] == "ok"
        assert found["database.rights"]["means"] == Check.RIGHTS.sentence
        assert (await client.get("/v1/checks")).json()["data"] == ran.json()["data"]
        again: httpx.Response = await client.post("/v1/checks/run")
        assert (again.status_code, again.json()["type"]) == (409, "urn:presshook:problem:just-looked")
    for scopes, account in ((("metrics:read",), CLOUDPRESS_ACCOUNT), (("orders:read",), None)):
        key = await new_key(service, *scopes, account=account)
        async with client_of(service, Authorization=f"Bearer {key.key}") as client:
            for method, path in (("GET", "/v1/checks"), ("POST", "/v1/checks/run")):
                assert (await client.request(method, path)).status_code == 403
