"""The installed program, as processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.cli.servers import address, listen
from tests.conftest import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, SECRET_KEY
from tests.harness import eventually

PRESSHOOK = Path(sys.executable).with_name("presshook")


def free_url() -> str:
    """Return the address of a port that is free now."""
    with listen("127.0.0.1", 0) as listener:
        return address(listener)


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
def program(*arguments: str, env: dict[str, str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command while the block runs; end it hard if the block has not."""
    with (cwd / f"{arguments[0]}.log").open("a+") as log:
        process = subprocess.Popen([PRESSHOOK, *arguments], env=env, cwd=cwd, stderr=log, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def answers(client: httpx.AsyncClient, path: str, status: int) -> None:
    """Wait until a path answers with a status."""

    async def look() -> int | None:
        try:
            return (await client.get(path)).status_code
        except httpx.TransportError:
            return None

    await eventually(look, lambda seen: seen == status)


@pytest.fixture
def api_headers() -> dict[str, str]:
    """What a client sends."""
    return {"Authorization": f"Bearer {API_KEY}"}
