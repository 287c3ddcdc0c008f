"""What is offered to Prometheus and Grafana: each query names a metric that exists, each alert fires.

`promtool` is looked for on the path (Debian's package `prometheus` has it); without it its tests are skipped.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.main import Service
from app.maintenance.doctor.checks import Check, ok
from app.maintenance.doctor.repeating import write
from app.states import AttentionCode
from tests.contrib.samples import fill

CONTRIB = Path(__file__).parents[2] / "contrib"
RULES = CONTRIB / "prometheus" / "rules.yml"
RULES_TEST = CONTRIB / "prometheus" / "rules_test.yml"
DASHBOARD = CONTRIB / "grafana" / "presshook.json"
OPERATING = CONTRIB.parent / "docs" / "operating.md"
yaml: Any = import_module("yaml")
NAME = re.compile(r"presshook_[a-z_]+")
CODE = re.compile(r'code=~"([^"]+)"')
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard_queries() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


async def text_of(service: Service, client: httpx.AsyncClient) -> str:
    """Return all that there is to read, each metric with a value."""
    fill(service.metrics)
    service.metrics.watch("presshook_slots", "-", lambda: 1)
    service.metrics.watch("presshook_slots_used", "-", lambda: 1)
    service.metrics.watch("presshook_deliveries_running", "-", lambda: 1)
    await write(service.db, {Check.DISK: ok(Check.DISK, "9 GB left")})
    return (await client.get("/metrics")).text


async def test_every_query_names_a_metric_that_there_is(
    postgres_service: Service, postgres_client: httpx.AsyncClient
) -> None:
    families = text_string_to_metric_families(await text_of(postgres_service, postgres_client))
    told = {sample.name for family in families for sample in family.samples}
    told |= {"presshook_attention"}  # has no value while no order asks for a person
    told |= {"presshook_pruning_overdue_seconds"}  # is told with RETENTION_DAYS alone (tests/telemetry)
    queries = [*dashboard_queries(), *(rule["expr"] for rule in rules())]
    assert len(queries) > 40
    named = {name for query in queries for name in NAME.findall(query)}
    assert named <= told, named - told
    # And nothing is measured that nobody looks at.
    looked_at = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in named}
    measured = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told if not name.endswith("_created")}
    measured = {name for name in measured if name.startswith("presshook_")}
    assert measured <= looked_at
    # And the documents tell all of it, and nothing else.
    assert set(NAME.findall(OPERATING.read_text())) == measured


def test_codes_in_rules_are_ours() -> None:
    codes = {code for rule in rules() for found in CODE.findall(rule["expr"]) for code in found.split("|")}
    assert codes <= {str(code) for code in AttentionCode}
    assert codes


def test_every_rule_says_what_to_do_and_has_a_test() -> None:
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert f'alertname="{rule["alert"]}"' in RULES_TEST.read_text()


def promtool(*arguments: str, given: str | None = None) -> None:
    assert PROMTOOL is not None
    ended = subprocess.run(
        [PROMTOOL, *arguments],
        cwd=RULES.parent,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_promtool
def test_every_alert_fires_when_its_cause_is_there_and_goes_when_that_ends() -> None:
    promtool("check", "rules", RULES.name)
    promtool("test", "rules", RULES_TEST.name)


@needs_promtool
async def test_promtool_has_nothing_to_say_of_the_metrics(
    postgres_service: Service, postgres_client: httpx.AsyncClient
) -> None:
    promtool("check", "metrics", given=await text_of(postgres_service, postgres_client))
