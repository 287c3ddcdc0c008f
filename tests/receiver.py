"""An application that is told by webhook: a real server that can be told how to answer."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.server.embedded import serving
from app.server.listening import listen

LOCAL_NETWORKS = "127.0.0.0/8"


@dataclass(frozen=True)
class Message:
    """A request as it came in."""

    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        """What it is known by; nothing, where it is no webhook's."""
        return self.headers.get("webhook-id", "")

    @property
    def json(self) -> Any:
        """What it says."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came in, and how the next requests are answered: a status, headers, a body, or a hang."""

    url: str = ""
    messages: list[Message] = field(default_factory=list)
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    secrets: list[str] = field(default_factory=list)
    """With one of them every message must be signed, by the published library's judgement."""
    unverified: list[Message] = field(default_factory=list)
    hang: asyncio.Event | None = None
    moods: random.Random | None = None
    """Where it comes from, what is seen for the first time is answered with a whim."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        message = Message(dict(request.headers), body)
        is_new = message.id not in self.ids()
        self.messages.append(message)
        if self.secrets and not any(_is_verified(message, secret) for secret in self.secrets):
            self.unverified.append(message)
        if self.hang is not None:
            await self.hang.wait()
        status = self.status
        if self.moods is not None and is_new:
            status = self.moods.choice([status, status, 500, 503, 307])
            await asyncio.sleep(self.moods.choice([0, 0, 2]))
        await Response(self.body, status, self.headers)(scope, receive, send)

    def ids(self) -> set[str]:
        """Return what came in, each once."""
        return {message.id for message in self.messages}

    async def count(self) -> int:
        """Return how many messages came in."""
        return len(self.messages)

    def types(self) -> list[str]:
        """Return what the messages are about."""
        return [message.json["type"] for message in self.messages]


def _is_verified(message: Message, secret: str) -> bool:
    try:
        Webhook(secret).verify(message.body, message.headers)
    except WebhookVerificationError:
        return False
    return True


@asynccontextmanager
async def run_receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """Run an application on a port, by default a free one. In the end nothing must have come unverified."""
    receiver = Receiver()
    async with serving(receiver, listen("127.0.0.1", port)) as url:
        receiver.url = f"{url}/hook"
        try:
            yield receiver
        finally:
            if receiver.hang is not None:
                receiver.hang.set()
    assert receiver.unverified == []
