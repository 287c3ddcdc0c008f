"""What `.env.example` offers reaches the service that docker-compose.yml starts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # as schemathesis brings it
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.cli.conftest import served

ROOT = Path(__file__).parents[2]
OF_COMPOSE_ITSELF = {"POSTGRES_PASSWORD"}


def test_every_setting_of_the_example_is_passed_on() -> None:
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {"PLACING", "ACCOUNT_CONCURRENCY"} <= offered
    assert offered - OF_COMPOSE_ITSELF - services["presshook"]["environment"].keys() == set()


@pytest.mark.parametrize(("status", "ends_with"), [(200, 0), (500, 1)])
def test_the_sandbox_is_asked_whether_it_lives_through_no_proxy(status: int, ends_with: int) -> None:
    """Docker gives the proxy of its own configuration to every container. Nobody listens at this one."""

    async def answer(_request: Request) -> Response:
        return Response(status_code=status)

    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    _, _, option, script = services["sandbox"]["healthcheck"]["test"]
    proxy = "http://127.0.0.1:9"
    with served(Starlette(routes=[Route("/", answer)])) as url:
        asked = script.replace("8001", url.rpartition(":")[2])
        ended = subprocess.run(
            [sys.executable, option, asked], env={"HTTP_PROXY": proxy, "http_proxy": proxy}, check=False
        )
    assert ended.returncode == ends_with
