"""Answers for which nothing has to be waited for, so that the server can send them without a task."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(slots=True)
class Answer:
    """A whole answer, whose headers tell its length, and an application (ASGI) that gives it always."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Give it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


Choose = Callable[[Scope], ASGIApp]
"""Returns what answers a request, by its head: an `Answer` if it is known at once.

An application that has this as its method `choose` is asked once for each request, before that is answered.
"""
