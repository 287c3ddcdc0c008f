"""A reader of Server-Sent Events, as the specification tells to read them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Told:
    """An event as a stream tells it."""

    id: int
    type: str
    body: dict[str, Any]


@dataclass
class Stream:
    """An open stream."""

    answer: httpx.Response
    comments: list[str] = field(default_factory=list)

    async def __aiter__(self) -> AsyncIterator[Told]:
        """Yield events until the stream ends."""
        fields: dict[str, str] = {}
        async for line in self.answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line == "" and "data" in fields:
                yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                fields = {}
            elif line.startswith(":"):
                self.comments.append(line)
            else:
                fields[name] = value


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, path: str, *, after: int | None = None, **params: Any
) -> AsyncIterator[Stream]:
    """Open a stream."""
    headers = {"Accept": "text/event-stream"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    async with client.stream("GET", path, headers=headers, params=params) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


async def read_all(client: httpx.AsyncClient, path: str, *, after: int | None = None) -> list[Told]:
    """Return all that a stream tells until it ends."""
    async with stream(client, path, after=after) as opened:
        return [told async for told in opened]
