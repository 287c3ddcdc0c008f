"""`presshook listen`: what happens at a service, posted to an application that is being written."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from app.db.database import Database
from app.db.url import async_database_url
from app.events.timeline import record
from app.events.types import EventType
from app.secrets import Encryption
from app.webhooks.signing import new_secret
from tests.e2e.conftest import answers, environment, free_url, playground, port_of, program
from tests.harness import eventually
from tests.programs import run, start
from tests.receiver import run_receiver
from tests.settings import API_KEY, SECRET_KEY


async def test_events_are_forwarded_signed_and_shown(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    secret = new_secret()
    async with (
        playground(database_url, tmp_path) as (url, env),
        run_receiver() as receiver,
        httpx.AsyncClient(base_url=url, headers=api_headers, timeout=30) as client,
    ):
        env |= {"PRESSHOOK_URL": url, "PRESSHOOK_API_KEY": API_KEY, "PRESSHOOK_WEBHOOK_SECRET": secret}
        shown = tmp_path / "listen.txt"
        with shown.open("w") as out:
            listening = start(
                *("listen", "--forward-to", receiver.url, "--after", "0"),
                env=env | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
            )
            try:
                body = {"site": {"name": "Shop", "variant": "vanilla"}}
                order: dict[str, Any] = (await client.post("/v1/orders", json=body)).json()
                await eventually(receiver.count, lambda count: count == 2)
                receiver.status = 500
                await client.post("/v1/orders", json=body)
                await eventually(receiver.count, lambda count: count == 4)

                async def lines() -> str:
                    return shown.read_text()

                text = await eventually(lines, lambda seen: seen.count(" 500 ") == 2)
            finally:
                listening.kill()
                listening.wait()
    assert receiver.types()[:2] == ["order.placed", "order.completed"]
    for message in receiver.messages:
        Verifier(secret).verify(message.body, message.headers)
    assert receiver.messages[0].json["data"]["id"] == order["id"]
    assert f"order.completed {order['id']} 204" in text
    assert secret not in text


@contextmanager
def listening(url: str, forward_to: str, secret: str, cwd: Path) -> Iterator[Path]:
    """Run `listen` while the block runs; yield the file that it writes to."""
    shown = cwd / "listen.txt"
    env = {"PATH": os.environ["PATH"], "PRESSHOOK_URL": url, "PRESSHOOK_API_KEY": API_KEY}
    env |= {"PRESSHOOK_WEBHOOK_SECRET": secret, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    with shown.open("w") as out:
        command = ("listen", "--forward-to", forward_to, "--after", "0")
        process = start(*command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=cwd)
        try:
            yield shown
        finally:
            process.kill()
            process.wait()


async def test_a_service_that_starts_again_is_listened_to_without_a_loss(
    database_url: str, tmp_path: Path
) -> None:
    secret, url = new_secret(), free_url()
    database = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    serve = partial(program, "serve", "--port", port_of(url), env=environment(database_url), cwd=tmp_path)

    async def happen(count: int) -> None:
        async with database.write() as tx:
            for _ in range(count):
                record(tx, None, EventType.PLACED, shown={"id": "some"})

    async with run_receiver() as receiver, httpx.AsyncClient(base_url=url) as client:
        receiver.secrets.append(secret)
        with listening(url, receiver.url, secret, tmp_path) as shown:

            async def text() -> str:
                return shown.read_text()

            await eventually(text, lambda seen: "The service is away (ConnectError); trying again." in seen)
            with serve():
                await answers(client, "/readyz", 200)
                await happen(3)
                await eventually(receiver.count, lambda count: count == 3)
            await happen(3)
            with serve():
                await happen(3)
                await eventually(receiver.count, lambda count: count == 9)
    sequences = [message.json["sequence"] for message in receiver.messages]
    assert sequences == list(range(sequences[0], sequences[0] + 9))
    await database.dispose()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_service_that_cannot_answer_now_is_asked_again(tmp_path: Path, status: int) -> None:
    async with run_receiver() as away:
        away.status, away.body = status, b"{}"
        url = away.url.removesuffix("/hook")
        with listening(url, "http://127.0.0.1:9/", new_secret(), tmp_path) as shown:
            await eventually(away.count, lambda count: count >= 2)
            assert f"The service is away ({status}); trying again." in shown.read_text()


def test_a_refused_key_ends_it_with_a_sentence(tmp_path: Path) -> None:
    command = ("listen", "--forward-to", "http://127.0.0.1:9/", "--secret", "not one", "--key", "k")
    ended = run(*command, cwd=tmp_path)
    assert ended.returncode == 2
    assert "--secret" in ended.stderr
