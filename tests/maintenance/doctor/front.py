"""What may stand before a deployment: a proxy that breaks what passes it in one way, on a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import h11
import httpx

HOP = {"host", "connection", "content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Front:
    """How it behaves. With `says` it answers that itself, and what it is asked goes nowhere."""

    drops: frozenset[str] = frozenset()
    replaces: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int | None = None
    says: tuple[int, dict[str, str], bytes] | None = None
    garbage: bytes | None = None


@asynccontextmanager
async def standing(
    front: Front, upstream: str, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Run it; yield its base URL."""
    async with httpx.AsyncClient(base_url=upstream, trust_env=False) as client:
        server = await asyncio.start_server(_connection(front, client), "127.0.0.1", port, ssl=tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def _connection(
    front: Front, client: httpx.AsyncClient
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, h11.ProtocolError, EOFError):
            if front.garbage is not None:
                await reader.read(65536)
                writer.write(front.garbage)
            else:
                wire = h11.Connection(h11.SERVER)
                request, body = await _read(wire, reader)
                status, headers, answer = await _answer(front, client, request, body)
                headers = {**headers, "content-length": str(len(answer)), "connection": "close"}
                head = h11.Response(status_code=status, headers=list(headers.items()))
                writer.write((wire.send(head) or b"") + (wire.send(h11.Data(data=answer)) or b""))
            await writer.drain()
        writer.close()

    return serve


async def _read(wire: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes]:
    request, body = None, b""
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif request is not None and isinstance(event, h11.EndOfMessage):
            return request, body
        else:
            raise EOFError


async def _answer(
    front: Front, client: httpx.AsyncClient, request: h11.Request, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    if front.says is not None:
        return front.says
    if front.most_bytes is not None and len(body) > front.most_bytes:
        return 413, {"content-type": "text/html"}, b"<h1>413 Request Entity Too Large</h1>"
    headers = {name.decode().lower(): value.decode() for name, value in request.headers}
    headers = {name: value for name, value in headers.items() if name not in front.drops | HOP}
    headers |= front.replaces
    answer = await client.request(
        request.method.decode(), request.target.decode(), headers=headers, content=body
    )
    told = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
    return answer.status_code, told, answer.content
