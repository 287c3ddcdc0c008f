"""The image's health check, as the container runs it."""

import asyncio
import os
import sys

from tests.harness import Sandbox, run_presshook


async def test_it_finds_whoever_answers(database_url: str, sandbox: Sandbox) -> None:
    async def check(port: str) -> int:
        environment = {**os.environ, "WORKER_PORT": port}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.server.health", env=environment
        )
        return await process.wait()

    async with run_presshook(database_url, sandbox.url) as presshook:
        port = presshook.url.rpartition(":")[2]
        assert await check(port) == 0
    assert await check(port) == 1
    assert await check("no port") == 1
