"""The script of curl lines in docs/ does what it says."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import playground
from tests.settings import API_KEY

NOBODY = "http://127.0.0.1:9"
"""A proxy that is not there: none is asked for what is on this machine."""
SCRIPT = Path(__file__).parents[2] / "docs" / "walkthrough.sh"


def walk(service_url: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": path, "PRESSHOOK_URL": service_url, "API_KEY": API_KEY, "http_proxy": NOBODY},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="the script is one of curl lines")
async def test_every_line_of_the_walkthrough_works(database_url: str, tmp_path: Path) -> None:
    async with playground(database_url, tmp_path) as (service_url, env):
        walked = await asyncio.to_thread(walk, service_url, env["PATH"])
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert '"locations"' in walked.stdout
    assert '"status":"completed"' in walked.stdout
    assert '"password"' in walked.stdout
    assert '"status":"cancelled"' in walked.stdout
    assert "order-final" in walked.stdout
    assert '"type":"order.accepted"' in walked.stdout
