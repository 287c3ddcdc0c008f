"""The live service against its own description: every check of schemathesis, with a key and without."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.api.middleware import guessing
from tests.harness import Sandbox, run_presshook
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
    database_url: str,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str | None,
) -> None:
    # Whoever presents wrong keys, which is what is done here, is answered ever more slowly.
    monkeypatch.setattr(guessing, "BURST", 1_000_000)
    async with run_presshook(database_url, sandbox.url) as presshook:
        header = ["--header", f"Authorization: Bearer {key}"] if key else []
        done = await asyncio.to_thread(check, presshook.url, tmp_path, *header)
        paths = (await presshook.client.get("/openapi.json")).json()["paths"]
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    operations = sum(len(METHODS & path.keys()) for path in paths.values())
    assert operations > 30
    assert f"Tested: {operations}" in done.stdout
