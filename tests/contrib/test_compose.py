"""What `.env.example` offers reaches the service that docker-compose.yml starts."""

import re
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # as schemathesis brings it

ROOT = Path(__file__).parents[2]
OF_COMPOSE_ITSELF = {"POSTGRES_PASSWORD"}


def test_every_setting_of_the_example_is_passed_on() -> None:
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {"PLACING", "ACCOUNT_CONCURRENCY"} <= offered
    assert offered - OF_COMPOSE_ITSELF - services["presshook"]["environment"].keys() == set()
