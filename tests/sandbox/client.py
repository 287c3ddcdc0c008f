"""What a client of the sandbox sends, and a receiver of its callbacks."""

from typing import Any

from tests.harness import Sandbox, eventually
from tests.settings import CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN

HEADERS = {"Authorization": f"Token {CLOUDPRESS_TOKEN}", "X-Auth-Account": CLOUDPRESS_ACCOUNT}


class Receiver:
    """Takes callbacks."""

    def __init__(self, url: str) -> None:
        """Listen at `url`."""
        self.url = url
        self.answers: list[int] = []
        self.received: list[tuple[str, bytes]] = []

    async def some(self, count: int) -> list[tuple[str, bytes]]:
        """Wait for callbacks."""

        async def look() -> list[tuple[str, bytes]]:
            return self.received

        return await eventually(look, lambda received: len(received) >= count)


def body(name: str = "Site", url: str = "http://127.0.0.1:9/", **site: Any) -> dict[str, Any]:
    return {
        "site": {"name": name, "variant": "vanilla", **site},
        "callback": {"authorization": "Bearer 12345", "url": url},
    }


async def place(sandbox: Sandbox, *arguments: Any, **site: Any) -> dict[str, Any]:
    answer = await sandbox.client.post("/api/orders", json=body(*arguments, **site), headers=HEADERS)
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


async def get(sandbox: Sandbox, path: str) -> dict[str, Any]:
    answer = await sandbox.client.get(f"/api/{path}", headers=HEADERS)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown
