"""`presshook doctor` as a person or a script runs it: what it prints, and how it ends."""

import asyncio
import json
import subprocess
from pathlib import Path

import httpx

from tests import programs
from tests.e2e.conftest import answers, environment, free_url, port_of, program
from tests.harness import Sandbox, eventually
from tests.settings import SECRET_KEY


async def run(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    def ended() -> subprocess.CompletedProcess[str]:
        return programs.run("doctor", *arguments, env=env, cwd=cwd)

    return await asyncio.to_thread(ended)


async def test_it_ends_with_0_1_or_2(database_url: str, sandbox: Sandbox, tmp_path: Path) -> None:
    url = free_url()
    env = environment(database_url, sandbox.url, PUBLIC_URL=url, PYTHONUTF8="1")
    sick = await run(env=env, cwd=tmp_path)
    assert sick.returncode == 1, sick.stderr
    assert "✗ workers.alive" in sick.stdout
    assert "→ start `presshook serve` or `presshook worker`" in sick.stdout

    with program("serve", "--port", port_of(url), env=env, cwd=tmp_path):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await answers(client, "/readyz", 200)

        async def doctor() -> subprocess.CompletedProcess[str]:
            return await run("--json", env=env, cwd=tmp_path)

        well = await eventually(doctor, lambda ended: ended.returncode == 0)
    told = json.loads(well.stdout)
    assert told["ok"]
    assert {check["outcome"] for check in told["checks"]} == {"ok", "skipped"}
    assert well.stderr == ""
    assert SECRET_KEY not in sick.stdout + well.stdout
    unset = await run(env={**env, "SECRET_KEY": "short"}, cwd=tmp_path)
    assert (unset.returncode, unset.stdout) == (2, "")
    assert "SECRET_KEY" in unset.stderr
    scripted = await run("--json", env={**env, "SECRET_KEY": "short"}, cwd=tmp_path)
    assert (scripted.returncode, scripted.stderr) == (2, unset.stderr)
    told = json.loads(scripted.stdout)
    assert (told["ok"], told["checks"]) == (False, [])
    assert unset.stderr == f"presshook: {told['settings']}\n"


async def test_it_prints_what_another_machine_is_to_send(
    database_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    env = environment(database_url, sandbox.url, PUBLIC_URL="https://presshook.example.com", PYTHONUTF8="1")
    ended = await run("--from-elsewhere", "--wait", "1", env=env, cwd=tmp_path)
    assert ended.returncode == 1
    assert "curl -sS -i -X POST -H 'Authorization: Bearer " in ended.stdout
    assert "'https://presshook.example.com/v1/callbacks/" in ended.stdout
    assert "nothing came in within 1 s" in ended.stdout
    assert [word for word in ended.stdout.split() if word.startswith("'%")] == [
        "'%2s'",
        "'%65536s'",
        "'%65537s'",
    ]
    ended = await run("--from-elsewhere", "--json", "--wait", "1", env=env, cwd=tmp_path)
    assert not json.loads(ended.stdout)["ok"], "the commands are not among what a script reads"
    assert "curl" in ended.stderr
