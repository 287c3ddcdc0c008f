"""Answers for which nothing has to be waited for, so that the server can send them without a task."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(slots=True)
class Answer:
    """A whole answer, and an application (ASGI) that gives it whatever it is asked."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Give it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


@runtime_checkable
class Chooses(Protocol):
    """An application that can tell by the head of a request who is to answer it."""

    def choose(self, scope: Scope) -> ASGIApp:
        """Return what answers this request, called once for each: an `Answer` if it is known at once."""
