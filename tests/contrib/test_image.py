"""The image, as far as it can be known without an engine: what goes in, where it runs, and what it tells."""

import json
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import SECRETS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SBOM = ROOT / "contrib" / "image" / "sbom.py"
PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^\s;]+)(.*)\\$", re.MULTILINE)
yaml: Any = import_module("yaml")


def printed() -> str:
    return subprocess.run([sys.executable, SBOM], check=True, capture_output=True, text=True).stdout


@cache
def sbom() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(printed())
    return told


def test_what_the_image_is_made_of_is_told_the_same_each_time() -> None:
    assert json.loads(printed()) == sbom()
    assert (sbom()["bomFormat"], sbom()["specVersion"]) == ("CycloneDX", "1.6")
    references = [component["bom-ref"] for component in sbom()["components"]]
    assert len(references) == len(set(references))
    assert sbom()["metadata"]["component"]["purl"].startswith("pkg:generic/presshook@")


def test_every_package_of_the_lock_is_told_with_its_version() -> None:
    told = {component["purl"] for component in sbom()["components"]}
    locked = PINNED.findall((ROOT / "requirements" / "runtime.txt").read_text())
    for_all = [(name, version) for name, version, only_where in locked if "sys_platform" not in only_where]
    assert len(for_all) > 30
    for name, version in for_all:
        assert f"pkg:pypi/{name}@{version}" in told


def test_nothing_in_the_dockerfile_is_of_one_architecture() -> None:
    assert re.search(r"amd64|x86|arm64|aarch64|--platform", DOCKERFILE) is None


def test_the_engine_is_given_what_the_dockerfile_takes() -> None:
    """Which names what it lets in, and leaves out all else."""
    given = (ROOT / ".dockerignore").read_text().splitlines()
    assert given[0] == "*"
    let_in = {line.removeprefix("!") for line in given if line.startswith("!")}
    taken = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    taken |= set(re.findall(r"type=bind,source=([^,\s]+)", DOCKERFILE))
    assert taken == let_in
    assert [source for source in taken if not (ROOT / source).exists()] == []


def composed(path: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return read


@pytest.mark.parametrize("service", ["migrate", "presshook"])
def test_with_secrets_from_files_none_is_in_the_environment(service: str) -> None:
    overlay = composed("contrib/compose/secrets.yml")
    environment = overlay["services"][service]["environment"]
    usual = composed("docker-compose.yml")["services"][service]["environment"]
    assert {name: environment[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")
    files = {name: environment[f"{name}_FILE"] for name in SECRETS}
    assert files == {name: f"/run/secrets/{name.lower()}" for name in SECRETS}
    assert set(overlay["services"][service]["secrets"]) == {name.lower() for name in SECRETS}
    assert usual.keys() >= SECRETS | {"PGPASSWORD"}
    assert environment["PGPASSWORD"] == ""
    for secret in overlay["secrets"].values():
        assert secret["file"].startswith("./secrets/")
