"""The script of curl lines in docs/ does what it says."""

import asyncio
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.conftest import API_KEY
from tests.e2e.conftest import answers, environment, free_url, port_of, program

SCRIPT = Path(__file__).parents[2] / "docs" / "walkthrough.sh"


def walk(service_url: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": path, "PRESSHOOK_URL": service_url, "API_KEY": API_KEY},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="the script is one of curl lines")
async def test_every_line_of_the_walkthrough_works(database_url: str, tmp_path: Path) -> None:
    service_url, sandbox_url = free_url(), free_url()
    env = environment(
        database_url,
        sandbox_url,
        PUBLIC_URL=service_url,
        CLOUDPRESS_API_TOKEN="sandbox-token",
        CLOUDPRESS_ACCOUNT_ID="sandbox-account",
    )
    with ExitStack() as stack:
        sandbox = ["sandbox", "--port", port_of(sandbox_url), "--task-seconds", "0.5"]
        stack.enter_context(program(*sandbox, env=env, cwd=tmp_path))
        stack.enter_context(program("serve", "--port", port_of(service_url), env=env, cwd=tmp_path))
        async with httpx.AsyncClient(base_url=service_url) as client:
            await answers(client, "/readyz", 200)
        walked = await asyncio.to_thread(walk, service_url, env["PATH"])
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert '"locations"' in walked.stdout
    assert '"status":"completed"' in walked.stdout
    assert '"password"' in walked.stdout
    assert '"status":"cancelled"' in walked.stdout
    assert "order-final" in walked.stdout
    assert '"type":"accepted"' in walked.stdout
