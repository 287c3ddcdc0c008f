"""What becomes of the answers of one call between Presshook and the sandbox, as networks and servers fail.

What is spoilt are bytes as they go over the wire: who carries them (`proxy`, `virtual`) hangs, breaks off or
delivers half a document.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

SLOW_SECONDS = 0.2
RETRY_AFTER_SECONDS = 1
UNKNOWN_STATUS = "Quantum"
PAGE = b"<html><body><h1>Sorry</h1></body></html>"
CALLS = {
    "place": re.compile(r"POST /api/orders$"),
    "cancel": re.compile(r"DELETE /api/orders/[^/]+$"),
    "list": re.compile(r"GET /api/orders$"),
    "order": re.compile(r"GET /api/orders/[^/]+$"),
    "task": re.compile(r"GET /api/tasks/[^/]+$"),
    "site": re.compile(r"GET /api/sites/[^/]+$"),
}
STATUSES = ("302", "400", "401", "402", "403", "404", "408", "409", "422", "429", "500", "503")


@dataclass(frozen=True)
class Message:
    """A request, whole."""

    first: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def parse(cls, head: bytes, body: bytes = b"") -> Self:
        """Return what was sent."""
        first, *lines = head.decode("latin-1").strip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return cls(first, headers, body)


class HangError(Exception):
    """Nothing is answered; the connection stays open until the client has had enough."""


class ResetError(Exception):
    """The connection is reset."""


@dataclass
class Spoiler:
    """Passes requests on to `upstream`; `spoil` names the faults of calls until `heal`."""

    upstream: httpx.AsyncClient
    url: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    spoilt: Counter[str] = field(default_factory=Counter)

    def spoil(self, call: str, fault: str, *, once: bool = False) -> None:
        """Give a call a fault, for its next request only or until `heal`."""
        if fault not in BEFORE and fault not in AFTER:
            raise ValueError(fault)
        self.faults[call] = fault
        if once:
            self.once.add(call)

    def heal(self, call: str) -> None:
        """Pass the answers to a call on as they are."""
        self.faults.pop(call, None)

    async def answer(self, request: Message) -> bytes:
        """Return what is answered, before the connection is closed.

        Raises:
            HangError: nothing is, and the connection stays open.
            ResetError: nothing is, and the connection is reset.
        """
        method, target, _ = request.first.split(" ")
        path = target.partition("?")[0]
        call = next((name for name, form in CALLS.items() if form.match(f"{method} {path}")), "other")
        self.seen[call] += 1
        fault = self.faults.get(call, "ok")
        if call in self.once:
            self.faults.pop(call, None)
        if fault != "ok":
            self.spoilt[call] += 1
        if fault in BEFORE:
            return await BEFORE[fault]()
        answer = await self.upstream.request(
            method,
            target,
            content=request.body,
            headers={
                name: value for name, value in request.headers.items() if name not in {"host", "connection"}
            },
        )
        return await AFTER[fault](answer.status_code, answer.content)


def http_answer(
    status: int,
    body: bytes,
    *,
    media_type: str = "application/json",
    length: int | None = None,
    extra: str = "",
) -> bytes:
    """Return an answer as it goes over the wire; `length` is what it says of its body's."""
    head = (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n{extra}\r\n"
    )
    return head.encode() + body


async def _hang(*_answer: object) -> bytes:
    raise HangError


async def _reset(*_answer: object) -> bytes:
    raise ResetError


async def _page(*_answer: object) -> bytes:
    return http_answer(502, PAGE, media_type="text/html")


async def _page_200(*_answer: object) -> bytes:
    return http_answer(200, PAGE, media_type="text/html")


def _status(status: int) -> Callable[..., Awaitable[bytes]]:
    async def answer(*_answer: object) -> bytes:
        extra = f"Retry-After: {RETRY_AFTER_SECONDS}\r\n" if status == 429 else ""
        if status == 302:
            extra = "Location: /login\r\n"
        return http_answer(status, json.dumps({"errors": [f"Fault {status}"]}).encode(), extra=extra)

    return answer


async def _well(status: int, body: bytes) -> bytes:
    return http_answer(status, body)


async def _slow(status: int, body: bytes) -> bytes:
    await asyncio.sleep(SLOW_SECONDS)
    return http_answer(status, body)


async def _cut(status: int, body: bytes) -> bytes:
    # A 204 has no body that could break off.
    return http_answer(200 if status == 204 else status, body[: len(body) // 2], length=max(len(body), 1))


async def _half(status: int, body: bytes) -> bytes:
    return http_answer(status, body[: len(body) // 2])


async def _empty(status: int, _body: bytes) -> bytes:
    return http_answer(status, b"")


async def _types(status: int, body: bytes) -> bytes:
    return http_answer(status, json.dumps({name: [name, 1] for name in json.loads(body or "{}")}).encode())


def _with_odd_status(document: dict[str, Any]) -> dict[str, Any]:
    return {name: UNKNOWN_STATUS if name == "status" else value for name, value in document.items()}


async def _odd_status(status: int, body: bytes) -> bytes:
    document = json.loads(body, object_hook=_with_odd_status)
    return http_answer(status, json.dumps(document).encode())


async def _no_site_name(status: int, body: bytes) -> bytes:
    document = json.loads(body)
    document.get("site", {}).pop("name", None)
    return http_answer(status, json.dumps(document).encode())


BEFORE: dict[str, Callable[[], Awaitable[bytes]]] = {
    "timeout before": _hang,
    "reset before": _reset,
    "HTML 502 before": _page,
    "HTML 200 before": _page_200,
    **{status: _status(int(status)) for status in STATUSES},
}
AFTER: dict[str, Callable[[int, bytes], Awaitable[bytes]]] = {
    "ok": _well,
    "slow": _slow,
    "timeout after": _hang,
    "reset after": _reset,
    "HTML 502 after": _page,
    "500 after": _status(500),
    "cut off": _cut,
    "truncated JSON": _half,
    "empty": _empty,
    "wrong types": _types,
    "unknown status": _odd_status,
    "no site name": _no_site_name,
}
