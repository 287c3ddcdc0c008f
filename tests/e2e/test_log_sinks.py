"""A log that cannot be written changes nothing: not an answer, not a loop, not an ending."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from app.secrets import CallbackSecrets
from tests.e2e.conftest import answers, environment, free_url, port_of
from tests.programs import PRESSHOOK
from tests.settings import API_KEY, SECRET_KEY

SINKS = ("full disk", "closed pipe", "pipe that nobody reads")
HEADERS = {"Authorization": f"Bearer {API_KEY}", "Prefer": "wait=0"}
# More than a pipe holds.
REFUSALS = 400


@contextmanager
def broken(sink: str) -> Iterator[int]:
    """Yield a descriptor that nothing can be written to, or not for long."""
    if sink == "full disk":
        descriptor = os.open("/dev/full", os.O_WRONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    reading, descriptor = os.pipe()
    if sink == "closed pipe":
        os.close(reading)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        if sink != "closed pipe":
            os.close(reading)


@pytest.mark.parametrize("sink", SINKS)
async def test_serve_answers_and_ends_as_ever(tmp_path: Path, sink: str) -> None:
    url = free_url()
    env = environment(f"sqlite:///{tmp_path}/presshook.db")
    command: list[str | Path] = [PRESSHOOK, "serve", "--port", port_of(url)]
    with (
        broken(sink) as log,
        subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log) as process,  # noqa: ASYNC220
    ):
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            await answers(client, "/readyz", 200)
            refused = {(await client.get("/v1/orders")).status_code for _ in range(REFUSALS)}
            assert refused == {401}
            body = {"site": {"name": "Unlogged", "variant": "vanilla"}}
            order_id = (await client.post("/v1/orders", json=body, headers=HEADERS)).json()["id"]
            value = CallbackSecrets([SECRET_KEY]).authorization(UUID(order_id))
            called = await client.post(f"/v1/callbacks/{order_id}", headers={"Authorization": value})
            assert called.status_code == 204
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("sink", SINKS)
def test_migrate_has_done_its_work_although_it_cannot_say_so(tmp_path: Path, sink: str) -> None:
    env = environment(f"sqlite:///{tmp_path}/presshook.db")
    with broken(sink) as log:
        done = subprocess.run(
            [PRESSHOOK, "migrate"], env=env, cwd=tmp_path, stdout=log, stderr=log, timeout=60, check=False
        )
    assert done.returncode == 0


def test_a_worker_whose_reconciler_dies_ends_although_it_cannot_say_so(tmp_path: Path) -> None:
    env = environment(f"sqlite:///{tmp_path}/presshook.db")
    subprocess.run([PRESSHOOK, "migrate"], env=env, cwd=tmp_path, check=True)
    # A defect in the loop itself, which no error of the database is.
    program = (
        "from app.reconciler.loop import Reconciler\n"
        "async def claim(self, limit): raise ZeroDivisionError\n"
        "Reconciler.claim = claim\n"
        "import sys; sys.argv = ['presshook', 'worker']\n"
        "from app.cli import main; main()\n"
    )
    python = PRESSHOOK.with_name("python")
    for sink in SINKS[:2]:
        with broken(sink) as log:
            done = subprocess.run(
                [python, "-c", program],
                env=env,
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                timeout=60,
                check=False,
            )
        assert done.returncode == 1, sink
