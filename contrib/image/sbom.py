"""Prints what an image is made of as CycloneDX 1.6: Debian's packages, the interpreter, the Python packages.

It is run while the image is built, by the interpreter of the environment that it tells of, and asks nobody.
The same image gives the same text, so that there is neither a time nor a random number in it.
"""

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]
OURS = "presshook"
CPE = "cpe:2.3:a:python:python:{}:*:*:*:*:*:*:*"
ASK_DEBIAN = ["/usr/bin/dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n"]


def main() -> None:
    """Print all of it."""
    python = {component["name"]: component for component in python_packages()}
    ours = python.pop(OURS)
    # Whoever has that name where others publish is somebody else.
    ours["purl"] = ours["bom-ref"] = f"pkg:generic/{OURS}@{ours['version']}"
    components = [*debian_packages(), interpreter(), *python.values()]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**ours, "type": "application"}},
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
    }
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def component(name: str, version: str, purl: str, **more: object) -> Component:
    """Return a part of the image."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **more}


def python_packages() -> Iterator[Component]:
    """Yield what the environment has installed, each once."""
    found: dict[str, Component] = {}
    for each in distributions():
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()
        expression = each.metadata.json.get("license_expression")
        more = {"licenses": [{"expression": expression}]} if expression else {}
        # The first one on the path is the one that is imported.
        found.setdefault(name, component(name, each.version, f"pkg:pypi/{name}@{each.version}", **more))
    yield from found.values()


def interpreter() -> Component:
    """Return the interpreter, which is no package of Debian's in the official image."""
    version = platform.python_version()
    return component("python", version, f"pkg:generic/python@{version}", cpe=CPE.format(version))


def debian_packages() -> Iterator[Component]:
    """Yield what the image's Debian has installed; nothing where it is no Debian."""
    if not Path(ASK_DEBIAN[0]).exists():
        return
    release = platform.freedesktop_os_release()
    distro = f"{release.get('ID', 'debian')}-{release.get('VERSION_ID', '')}".rstrip("-")
    told = subprocess.run(ASK_DEBIAN, check=True, capture_output=True, text=True).stdout  # noqa: S603 - a constant
    for line in told.splitlines():
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro={distro}"
        yield component(name, version, purl)


if __name__ == "__main__":
    main()
