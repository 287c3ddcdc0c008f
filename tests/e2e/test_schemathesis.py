"""The live service against its own description: every check of schemathesis, with a key and without."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import playground
from tests.settings import API_KEY

# The long run is `PRESSHOOK_EXAMPLES=500 make test ARGS="-n0 tests/e2e/test_schemathesis.py"`.
EXAMPLES = os.environ.get("PRESSHOOK_EXAMPLES", "15")
SEED = os.environ.get("PRESSHOOK_SEED", "1")
METHODS = {"get", "put", "post", "delete", "patch"}
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")


def check(service_url: str, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(SCHEMATHESIS),
        "--config-file",
        str(CONFIG),
        "run",
        f"{service_url}/openapi.json",
        "--checks",
        "all",
    ]
    options = ["--phases", "examples,coverage,fuzzing,stateful", "--seed", SEED, "-n", EXAMPLES]
    return subprocess.run(
        [*command, *options, "--continue-on-failure", "--request-timeout", "60", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1"},
    )


@pytest.mark.parametrize("key", [API_KEY, None], ids=["with a key", "without"])
async def test_the_service_is_as_it_describes_itself(
    database_url: str, tmp_path: Path, key: str | None
) -> None:
    async with playground(database_url, tmp_path) as (service_url, _):
        header = ["--header", f"Authorization: Bearer {key}"] if key else []
        done = await asyncio.to_thread(check, service_url, tmp_path, *header)
        async with httpx.AsyncClient(base_url=service_url) as client:
            paths = (await client.get("/openapi.json")).json()["paths"]
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    operations = sum(len(METHODS & path.keys()) for path in paths.values())
    assert operations > 30
    assert f"Tested: {operations}" in done.stdout
