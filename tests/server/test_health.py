"""The image's health check, as the container runs it."""

import asyncio
import os
import sys

from tests.harness import Sandbox, run_presshook

AS_A_CONTAINER_DOES = ("-m", "app.server.health")
# Another test's demo may be on the port of `serve`, which a container has for itself.
WHERE_NOBODY_SERVES = ("-c", "from app.server import health; health.SERVE_PORT = ''; health.main()")


async def check(port: str, *arguments: str) -> int:
    environment = {**os.environ, "WORKER_PORT": port}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment)
    return await process.wait()


async def test_it_finds_whoever_answers(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        port = presshook.url.rpartition(":")[2]
        assert await check(port, *AS_A_CONTAINER_DOES) == 0
        assert await check(port, *WHERE_NOBODY_SERVES) == 0
    assert await check(port, *WHERE_NOBODY_SERVES) == 1
    assert await check("no port", *WHERE_NOBODY_SERVES) == 1
