"""The program, as processes."""

import os
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from app.server.listening import ListenError, address, listen
from tests.harness import PATIENCE_SECONDS, eventually
from tests.programs import PRESSHOOK, Program, start
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, SECRET_KEY

# Below what Linux gives to outgoing connections, by its defaults.
PORTS_OF_A_WORKER = 1_200
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST_PORT = 10_000 + (_WORKER % 18) * PORTS_OF_A_WORKER
_PORTS = iter(random.Random().sample(range(_FIRST_PORT, _FIRST_PORT + PORTS_OF_A_WORKER), PORTS_OF_A_WORKER))


def free_url() -> str:
    """Return the address of a port that is free now, and that is given out once.

    A replica that is started anew has to get its port again. So it is none that the system hands to others'
    connections meanwhile, nor another worker of the tests to its own replicas.
    """
    for port in _PORTS:
        with suppress(ListenError), listen("127.0.0.1", port, exactly=True) as listener:
            return address(listener)
    raise AssertionError("no port is free of those that are a worker's own")


def port_of(url: str) -> str:
    """Return the port of an address."""
    return url.rpartition(":")[2]


def environment(database_url: str, cloudpress_url: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """Return an environment that configures the service and leaves nothing else of ours in it."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "CLOUDPRESS_BASE_URL": cloudpress_url,
        "CLOUDPRESS_API_TOKEN": CLOUDPRESS_TOKEN,
        "CLOUDPRESS_ACCOUNT_ID": CLOUDPRESS_ACCOUNT,
        "API_KEY": API_KEY,
        "SECRET_KEY": SECRET_KEY,
        **more,
    }


@contextmanager
def program(*arguments: str, env: dict[str, str], cwd: Path) -> Iterator[Program]:
    """Run a command while the block runs; end it hard if the block has not."""
    with (cwd / f"{arguments[0]}.log").open("a+") as log:
        process = start(*arguments, env=env, cwd=cwd, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def installed(*arguments: str, env: dict[str, str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Do the same with the program as it is installed, which loads everything by itself."""
    with (cwd / f"{arguments[0]}.log").open("a+") as log:
        process = subprocess.Popen([PRESSHOOK, *arguments], env=env, cwd=cwd, stderr=log, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def answers(
    client: httpx.AsyncClient, path: str, status: int, *, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a path answers with a status."""

    async def look() -> int | None:
        try:
            return (await client.get(path)).status_code
        except httpx.TransportError:
            return None

    await eventually(look, lambda seen: seen == status, patience_seconds=patience_seconds)


@asynccontextmanager
async def playground(
    database_url: str, cwd: Path, *, task_seconds: float = 0.5, **settings: str
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Run a service and its sandbox, both ready; yield the service's address and their environment."""
    service_url, sandbox_url = free_url(), free_url()
    env = environment(
        database_url,
        sandbox_url,
        PUBLIC_URL=service_url,
        **{"CLOUDPRESS_API_TOKEN": "sandbox-token", "CLOUDPRESS_ACCOUNT_ID": "sandbox-account", **settings},
    )
    sandbox = ["sandbox", "--port", port_of(sandbox_url), "--task-seconds", str(task_seconds)]
    with (
        program(*sandbox, env=env, cwd=cwd),
        program("serve", "--port", port_of(service_url), env=env, cwd=cwd),
    ):
        for url, path in ((sandbox_url, "/"), (service_url, "/readyz")):
            async with httpx.AsyncClient(base_url=url) as client:
                await answers(client, path, 200)
        yield service_url, env


@pytest.fixture
def api_headers() -> dict[str, str]:
    """What a client sends."""
    return {"Authorization": f"Bearer {API_KEY}"}
