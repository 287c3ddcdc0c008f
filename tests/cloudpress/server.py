"""A TCP server that misbehaves as it is told."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def reply(status: str, body: bytes, *headers: str) -> Behaviour:
    """Answer properly."""

    async def behave(_request: bytes, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return behave


def raw(data: bytes) -> Behaviour:
    """Send bytes and close."""

    async def behave(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return behave


def drip(data: bytes, *, every_seconds: float) -> Behaviour:
    """Send a byte at a time, so that no single read ever times out."""

    async def behave(_request: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return behave


def flood(beginning: bytes, again: bytes) -> Behaviour:
    """Send a beginning, and the same thing again for as long as it is taken."""

    async def behave(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()

    return behave


async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def close(_request: bytes, writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    writer.close()


async def silence(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


class Server:
    """Serves one behaviour and keeps the requests that it read."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.url = ""
        self.requests: list[bytes] = []
        self.connections = 0


@asynccontextmanager
async def misbehaving(behaviour: Behaviour) -> AsyncIterator[Server]:
    """Run a server that treats every request so."""
    running = Server()
    open_connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.lower().split(b"\r\n")
                        if b"content-length" in line
                    ),
                    0,
                )
                request = head + await reader.readexactly(length)
                running.requests.append(request)
                await behaviour(request, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        open_connections.add(task)
        task.add_done_callback(open_connections.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    running.url = f"http://{host}:{port}"
    try:
        yield running
    finally:
        for task in list(open_connections):
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)
        server.close()
