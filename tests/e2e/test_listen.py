"""`presshook listen`: what happens at a service, posted to an application that is being written."""

import subprocess
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks import Webhook as Verifier

from app.webhooks.signing import new_secret
from tests.conftest import API_KEY
from tests.e2e.conftest import PRESSHOOK, playground
from tests.harness import eventually
from tests.receiver import run_receiver


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
        with (
            shown.open("w") as out,
            subprocess.Popen(  # noqa: ASYNC220 - it starts at once
                [PRESSHOOK, "listen", "--forward-to", receiver.url, "--after", "0"],
                env=env | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
            ) as listening,
        ):
            try:
                body = {"site": {"name": "Shop", "variant": "vanilla"}}
                order: dict[str, Any] = (await client.post("/v1/orders", json=body)).json()
                await eventually(receiver.count, lambda count: count == 2)
                receiver.status = 500
                await client.post("/v1/orders", json=body)
                await eventually(receiver.count, lambda count: count == 4)

                async def lines() -> str:
                    return shown.read_text()

                text = await eventually(lines, lambda seen: seen.count("500") == 2)
            finally:
                listening.kill()
    assert receiver.types()[:2] == ["order.placed", "order.completed"]
    for message in receiver.messages:
        Verifier(secret).verify(message.body, message.headers)
    assert receiver.messages[0].json["data"]["id"] == order["id"]
    assert f"order.completed {order['id']} 204" in text
    assert secret not in text


def test_a_refused_key_ends_it_with_a_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [PRESSHOOK, "listen", "--forward-to", "http://127.0.0.1:9/", "--secret", "not one", "--key", "k"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "--secret" in ended.stderr
