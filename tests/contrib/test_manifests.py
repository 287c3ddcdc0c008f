"""What is offered to Kubernetes and to systemd: whole, hardened, and of one release."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import SECRETS, SETTINGS
from app.version import VERSION

CONTRIB = Path(__file__).parents[2] / "contrib"
KUBERNETES = CONTRIB / "kubernetes"
UNIT = CONTRIB / "systemd" / "presshook.service"
ANALYZE = shutil.which("systemd-analyze")
yaml: Any = import_module("yaml")
validating: Any = import_module("kubernetes_validate")
# Kinds that others define.
FOREIGN = {"Kustomization", "PodMonitor"}


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted(KUBERNETES.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


def pods() -> dict[str, dict[str, Any]]:
    """Return what the pods are made of, by their component."""
    found = {}
    for each in manifests():
        if each["kind"] in {"Deployment", "Job"}:
            template = each["spec"]["template"]
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template["spec"]
    return found


def test_all_manifests_are_used() -> None:
    [kustomization] = [each for each in manifests() if each["kind"] == "Kustomization"]
    files = {path.name for path in KUBERNETES.glob("*.yaml")}
    assert files == {"kustomization.yaml", *kustomization["resources"]}
    assert f'newTag: "{VERSION}"' in (KUBERNETES / "kustomization.yaml").read_text()


def test_the_manifests_fit_the_schema_of_kubernetes() -> None:
    newest = validating.latest_version()
    for each in manifests():
        if each["kind"] not in FOREIGN:
            validating.validate(each, newest, strict=True)


def test_the_schema_finds_a_misspelt_field() -> None:
    """Or nothing would be proven above."""
    [service] = [each for each in manifests() if each["kind"] == "Service"][:1]
    service["spec"]["selectors"] = {}
    with pytest.raises(validating.ValidationError, match="selectors"):
        validating.validate(service, validating.latest_version(), strict=True)


@pytest.mark.parametrize("component", ["api", "worker", "migrate"])
def test_a_pod_may_do_no_more_than_it_has_to(component: str) -> None:
    pod = pods()[component]
    [container] = pod["containers"]
    assert container["command"][0] == "presshook"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, (
        "settings are what is set, and nothing that services are called"
    )
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    named = {each["name"] for each in container["env"]}
    assert named <= SETTINGS
    assert named & SECRETS == set(), "secrets come from files"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("component", ["api", "worker"])
def test_what_answers_is_asked(component: str) -> None:
    [container] = pods()[component]["containers"]
    [port] = container["ports"]
    assert str(port["containerPort"]) in [
        *container["command"], *(each["value"] for each in container["env"])
    ]  # fmt: skip
    for probe, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": port["name"]}


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_finds_the_unit_well_confined() -> None:
    told = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "nknown option" in told.stderr or "nrecognized option" in told.stderr:
        pytest.skip("systemd-analyze is older than 250")
    found = re.search(r"Overall exposure level for presshook.service: (\d+\.\d)", told.stdout)
    assert found is not None, told.stderr
    assert float(found[1]) <= 2.0
