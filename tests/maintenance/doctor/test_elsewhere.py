"""Probes that another machine sends: what came in of each size, and that their values open nothing else."""

import re
from uuid import uuid4

import httpx
import pytest

from app.db.database import Database
from app.maintenance.doctor.checks import Result
from app.maintenance.doctor.elsewhere import Elsewhere
from app.maintenance.doctor.way_in import Prober
from app.secrets import Encryption
from tests.harness import Sandbox
from tests.maintenance.doctor.front import Front, standing
from tests.maintenance.doctor.test_doctor import changed, deployed, troubles
from tests.settings import make_settings

COMMAND = re.compile(
    r"printf '%(?P<size>\d+)s' '' \| curl -sS -i -X POST (?P<headers>.*) --data-binary @- '(?P<url>.*)'"
)
ALL_WELL = {"callbacks.way_in": "ok", "callbacks.authorization": "ok", "callbacks.body_limit": "ok"}


async def sent(command: str) -> httpx.Response:
    """Do what a command does."""
    found = COMMAND.fullmatch(command)
    assert found is not None, command
    headers = dict(re.findall(r"-H '([^:]+): ([^']+)'", found["headers"]))
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(found["url"], headers=headers, content=b" " * int(found["size"]))


def outcomes(results: list[Result]) -> dict[str, str]:
    return {str(result.check): str(result.outcome) for result in results}


async def test_nothing_came_in(database_url: str, sandbox: Sandbox) -> None:
    async with deployed(database_url, sandbox.url) as presshook:
        elsewhere = Elsewhere(Prober(presshook.service.settings, presshook.service.db), presshook.service.db)
        results = list(await elsewhere.wait(patience_seconds=0.1))
    assert troubles(results) == {"callbacks.way_in": "failed"}


@pytest.mark.parametrize(
    ("front", "statuses", "expected"),
    [
        pytest.param(Front(), [204, 204, 413], ALL_WELL, id="nothing stands before it"),
        pytest.param(
            Front(most_bytes=1024),
            [204, 413, 413],
            ALL_WELL | {"callbacks.body_limit": "failed"},
            id="a limit of 1 kB",
        ),
        pytest.param(
            Front(most_bytes=65536),
            [204, 204, 413],
            ALL_WELL | {"callbacks.body_limit": "warning"},
            id="a limit of exactly 64 KiB",
        ),
        pytest.param(
            Front(drops=frozenset({"authorization"})),
            [204, 204, 413],
            ALL_WELL | {"callbacks.authorization": "failed"},
            id="Authorization is taken away",
        ),
        pytest.param(
            Front(says=(204, {}, b"")),
            [204, 204, 204],
            {
                "callbacks.way_in": "failed",
                "callbacks.authorization": "skipped",
                "callbacks.body_limit": "skipped",
            },
            id="a stranger that takes all",
        ),
    ],
)
async def test_what_comes_in_of_each_size(
    database_url: str, sandbox: Sandbox, front: Front, statuses: list[int], expected: dict[str, str]
) -> None:
    async with deployed(database_url, sandbox.url) as presshook, standing(front, presshook.url) as url:
        prober = Prober(changed(presshook, public_url=url), presshook.service.db)
        elsewhere = Elsewhere(prober, presshook.service.db)
        answers = [await sent(command) for command in elsewhere.commands]
        results = list(await elsewhere.wait(patience_seconds=0.1, large_seconds=0.1))
    assert [answer.status_code for answer in answers] == statuses
    assert outcomes(results) == expected
    troubles(results)


async def test_a_database_that_is_away_is_said() -> None:
    settings = make_settings("postgresql://u:s3cr3t@127.0.0.1:9/x")
    db = Database(settings.database, Encryption(settings.secret_keys))
    results = list(await Elsewhere(Prober(settings, db), db).wait(patience_seconds=0.1))
    assert troubles(results) == {"database.reachable": "failed"}
    await db.dispose()


async def test_only_a_probe_s_own_value_is_let_in(database_url: str, sandbox: Sandbox) -> None:
    async with deployed(database_url, sandbox.url) as presshook:
        prober = Prober(presshook.service.settings, presshook.service.db)
        one, other = str(uuid4()), str(uuid4())
        value = prober.headers_of(one)["Authorization"]
        for probe, shown in ((other, value), (one, "Bearer no"), (one, value.lower())):
            answer = await presshook.client.post(
                f"/v1/callbacks/{probe}", headers={"X-Presshook-Probe": shown, "Authorization": shown}
            )
            assert answer.status_code == 401
            assert "x-presshook-proof" not in answer.headers
        # It opens nothing: no order, no API.
        for method, path in (("POST", f"/v1/callbacks/{one}"), ("GET", "/v1/orders")):
            answer = await presshook.client.request(method, path, headers={"Authorization": value})
            assert answer.status_code == 401
