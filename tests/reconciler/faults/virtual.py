"""Presshook and the sandbox under a virtual clock, with a network in memory: hours pass in no time.

The service is the real one: its API, its client of CloudPress down to HTTP on the wire, its reconciler and
its SQL. What is not real are the sockets, the clock and, on SQLite, the driver's thread.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import anyio.to_thread
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import asking_for_time
from app.db.database import Database
from app.db.url import async_database_url
from app.main import Service, create_app
from app.reconciler import Reconciler
from app.sandbox import SandboxConfig, callbacks, create_sandbox, provider, state, wire
from tests.harness import WITHOUT_TLS, Presshook, Sandbox
from tests.reconciler.faults.scenarios import World
from tests.reconciler.faults.spoiling import HangError, Message, ResetError, Spoiler, http_answer
from tests.settings import API_KEY, CLOUDPRESS_ACCOUNT, CLOUDPRESS_TOKEN, make_settings
from tests.simulation.loop import VirtualLoop
from tests.simulation.run import PlainCipher
from tests.simulation.sqlite import QuickConnection

# Addresses, so that no name is looked up.
PRESSHOOK = "192.0.2.1"
CLOUDPRESS = "192.0.2.2"
NOWHERE = ("192.0.2.3", 80)
TASK_SECONDS = 10.0
LOOK_SECONDS = 60.0
PATIENCE_SECONDS = 6 * 3600.0
POLL_SECONDS = 3600.0
EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
TLS = ssl.create_default_context()
HEAD_END = b"\r\n\r\n"

T = TypeVar("T")
Serve = Callable[[Message], Coroutine[Any, Any, bytes]]


class LoopClock:
    """The loop's time, as the database's and the machine's."""

    boot = "virtual"

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the virtual time."""
        if also:
            await session.execute(asking_for_time(*also))
        return self.time()

    @staticmethod
    def time() -> datetime:
        """Return the virtual time."""
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    def uptime(self) -> float:
        """Return the virtual time in seconds."""
        return asyncio.get_running_loop().time()


class NoSocket:
    """What there is of a socket where there is none: the addresses of both sides."""

    family = socket.AF_INET

    def getsockname(self) -> tuple[str, int]:
        """Return this side's address."""
        return NOWHERE

    def getpeername(self) -> tuple[str, int]:
        """Return the other side's address."""
        return NOWHERE

    def fileno(self) -> int:
        """Return the number of one that is closed."""
        return -1


class MemoryTransport(asyncio.Transport):
    """A connection for one request, which a server answers whole, badly or never."""

    def __init__(self, protocol: asyncio.Protocol, serve: Serve) -> None:
        """Connect; nothing is sent yet."""
        super().__init__({"socket": NoSocket()})
        self._protocol = protocol
        self._serve = serve
        self._sent = b""
        self._serving: asyncio.Task[None] | None = None
        self._is_closing = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; once a request is whole, the server goes to work, even if nobody waits for it any more."""
        self._sent += data
        head, end, body = self._sent.partition(HEAD_END)
        message = Message.parse(head, body)
        if end and self._serving is None and len(body) == int(message.headers.get("content-length", 0)):
            self._serving = asyncio.get_running_loop().create_task(self._answer(message))

    async def _answer(self, message: Message) -> None:
        error = None
        try:
            answer = await self._serve(message)
        except HangError:
            return
        except ResetError:
            error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        else:
            if not self._is_closing:
                self._protocol.data_received(answer)
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)

    def close(self) -> None:
        """Close."""
        self._end(None)

    def abort(self) -> None:
        """Close."""
        self._end(None)

    def is_closing(self) -> bool:
        """Tell whether either side has closed it."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Take no notice: an answer comes whole."""

    def resume_reading(self) -> None:
        """Take no notice."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take no notice: nothing is held back."""


class NetworkedLoop(VirtualLoop):
    """A virtual clock's loop, whose connections lead to `hosts` in this process, by their addresses."""

    def __init__(self, random: Random) -> None:
        """Begin with no host."""
        super().__init__(random)
        self.hosts: dict[str, Serve] = {}

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, *_arguments: Any, **_options: Any
    ) -> tuple[Any, Any]:
        """Connect to a host."""
        protocol = protocol_factory()
        return MemoryTransport(protocol, self.hosts[host]), protocol


def in_virtual_time(database_url: str, seed: int, happen: Callable[[World], Awaitable[None]]) -> None:
    """Run what happens in a world of its own; what runs when is drawn by the seed."""
    loop = NetworkedLoop(Random(seed))
    asyncio.set_event_loop(loop)

    async def run() -> None:
        async with _world(database_url, loop, Random(seed)) as it:
            await happen(it)

    try:
        loop.run_until_complete(run())
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)


@contextmanager
def _surroundings() -> Iterator[None]:
    """Put what is not ours under the virtual clock."""
    with pytest.MonkeyPatch.context() as patches:
        # Nothing here speaks TLS, and to read the machine's certificates takes longer than an order's life.
        patches.setattr(ssl, "create_default_context", lambda **_options: TLS)
        # What works in a thread does so while the virtual clock runs on.
        patches.setattr(anyio.to_thread, "run_sync", _run_here)
        for module in (state, provider, callbacks, wire):
            patches.setattr(module, "now", LoopClock.time)
        yield


@asynccontextmanager
async def _world(url: str, loop: NetworkedLoop, random: Random) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        stack.enter_context(_surroundings())
        accounts = {CLOUDPRESS_TOKEN: CLOUDPRESS_ACCOUNT}
        sandbox = create_sandbox(
            SandboxConfig(accounts=accounts, task_seconds=TASK_SECONDS, seed=random.randrange(2**32))
        )
        service = Service(
            make_settings(url, cloudpress_base_url=f"http://{CLOUDPRESS}", public_url=f"http://{PRESSHOOK}"),
            db=_database(url),
            random=random,
        )
        of_sandbox, of_presshook = _client(sandbox, CLOUDPRESS), _client(create_app(service), PRESSHOOK)
        cloudpress = Spoiler(of_sandbox)
        loop.hosts = {CLOUDPRESS: cloudpress.answer, PRESSHOOK: _answering(of_presshook)}
        await stack.enter_async_context(sandbox.router.lifespan_context(sandbox))
        reconciler = Reconciler(service.dependencies, service.signals, poll_seconds=POLL_SECONDS)
        # Without what else the service runs: listening and polling are about other processes.
        working = asyncio.create_task(reconciler.run(grace_seconds=60))
        client = httpx.AsyncClient(
            transport=of_presshook._transport,
            base_url=f"http://{PRESSHOOK}",
            headers={"Authorization": f"Bearer {API_KEY}"},
            verify=WITHOUT_TLS,
        )
        try:
            yield World(
                Presshook(f"http://{PRESSHOOK}", client, service),
                cloudpress,
                Sandbox(f"http://{CLOUDPRESS}", of_sandbox),
                PATIENCE_SECONDS,
                LOOK_SECONDS,
            )
        finally:
            service.signals.stop()
            await working
            await service.clients.aclose()
            await service.db.dispose()


def _client(app: FastAPI, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", verify=WITHOUT_TLS)


def _answering(client: httpx.AsyncClient) -> Serve:
    async def serve(request: Message) -> bytes:
        method, target, _ = request.first.split(" ")
        answer = await client.request(method, target, content=request.body, headers=request.headers)
        return http_answer(answer.status_code, answer.content)

    return serve


def _database(url: str) -> Database:
    return Database(async_database_url(url), PlainCipher(), clock=LoopClock(), connect_sqlite=QuickConnection)


async def _run_here(function: Callable[..., T], *arguments: Any, **_options: Any) -> T:
    return function(*arguments)
