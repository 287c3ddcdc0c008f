"""A proxy between Presshook and the sandbox that spoils answers on real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.harness import WITHOUT_TLS
from tests.reconciler.faults.spoiling import HangError, Message, ResetError, Spoiler


async def _serve(spoiler: Spoiler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, well or badly, and close."""
    try:
        writer.write(await spoiler.answer(await _read(reader)))
        await writer.drain()
    except HangError:
        await reader.read()
    except ResetError:
        # With this, closing sends RST and not FIN.
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Message:
    message = Message.parse(await reader.readuntil(b"\r\n\r\n"))
    body = await reader.readexactly(int(message.headers.get("content-length", 0)))
    return Message(message.first, message.headers, body)


@asynccontextmanager
async def run_proxy(upstream: str) -> AsyncIterator[Spoiler]:
    """Run a proxy before `upstream` on a free port."""
    serving: set[asyncio.Task[None]] = set()
    async with httpx.AsyncClient(base_url=upstream, timeout=30, verify=WITHOUT_TLS) as client:
        spoiler = Spoiler(client)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            serving.add(task)
            try:
                await _serve(spoiler, reader, writer)
            finally:
                serving.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        try:
            spoiler.url = f"http://{host}:{port}"
            yield spoiler
        finally:
            server.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            await server.wait_closed()
