"""Wake-ups of other replicas: over LISTEN, and by the poll where LISTEN is accepted but nothing is heard."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from app.queue import signals
from tests.databases import PostgresServer
from tests.harness import Sandbox, eventually, run_presshook

NOTIFICATION = b"A"


@dataclass
class Relay:
    """Passes PostgreSQL's protocol on, as a pooler does that swallows what LISTEN should hear."""

    socket_path: str
    is_deaf: bool = True
    swallowed: int = 0
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        server_reader, server_writer = await asyncio.open_unix_connection(self.socket_path)
        with suppress(asyncio.IncompleteReadError, OSError):
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, server_writer))
                    both.create_task(self._pass_messages(server_reader, writer))
            finally:
                self.running.discard(task)
                server_writer.close()
                writer.close()

    async def _pass_messages(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while kind := await reader.read(1):
            length = await reader.readexactly(4)
            message = kind + length + await reader.readexactly(int.from_bytes(length) - 4)
            if kind == NOTIFICATION and self.is_deaf:
                self.swallowed += 1
                continue
            writer.write(message)
            await writer.drain()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()
    writer.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A migrated database on PostgreSQL: SQLite tells nobody anything."""
    with postgres_server.migrated_url() as url:
        yield url


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """Run a relay before a database; yield it with the address behind it."""
    direct = make_url(url)
    relay = Relay(f"{direct.query['host']}/.s.PGSQL.5432")
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    # Without encryption, so that the relay can read along.
    query = {"sslmode": "disable", "gssencmode": "disable"}
    through = direct.set(host=host, port=port, query=query)
    try:
        yield relay, through.render_as_string(hide_password=False)
    finally:
        server.close()
        for task in list(relay.running):
            task.cancel()
        await asyncio.gather(*relay.running, return_exceptions=True)


def events_of(logged: list[Any]) -> list[str]:
    """Return what the log says of listening."""
    return [entry["event"] for entry in logged if entry["event"].startswith("listen_")]


async def test_behind_a_pooler_a_waiting_order_is_answered_by_the_poll(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "PROBE_ANSWER_SECONDS", 0.2)
    async with (
        relayed(postgres_url) as (relay, behind),
        run_presshook(postgres_url, sandbox.url),
        run_presshook(behind, sandbox.url, reconcile=False) as api_alone,
    ):
        async with asyncio.timeout(15):
            answer = await api_alone.order("Elsewhere [payment-first]", wait=30)
        assert (answer.status_code, answer.json()["status"]) == (201, "awaiting_payment")
        assert not api_alone.service.signals.listening
        assert relay.swallowed > 0


async def test_a_pooler_is_complained_of_once_and_listened_behind_again(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROBE_ANSWER_SECONDS", "RECONNECT_SECONDS", "RECONNECT_CEILING_SECONDS"):
        monkeypatch.setattr(signals, name, 0.05)
    with capture_logs() as logged:
        async with (
            relayed(postgres_url) as (relay, behind),
            run_presshook(behind, sandbox.url, reconcile=False) as presshook,
        ):

            async def swallowed() -> int:
                return relay.swallowed

            async def is_listening() -> bool:
                return presshook.service.signals.listening

            await eventually(swallowed, lambda count: count >= 3)
            assert not presshook.service.signals.listening
            relay.is_deaf = False
            await eventually(is_listening, bool)
    assert events_of(logged) == ["listen_unheard"]


async def test_a_connection_that_falls_silent_is_noticed_and_replaced(
    postgres_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROBE_SECONDS", "PROBE_ANSWER_SECONDS", "RECONNECT_SECONDS"):
        monkeypatch.setattr(signals, name, 0.3)
    async with relayed(postgres_url) as (relay, behind):
        relay.is_deaf = False
        async with run_presshook(behind, sandbox.url, reconcile=False) as presshook:

            async def is_listening() -> bool:
                return presshook.service.signals.listening

            await eventually(is_listening, bool)
            with capture_logs() as logged:
                relay.is_deaf = True
                await eventually(is_listening, lambda listening: not listening)
                relay.is_deaf = False
                await eventually(is_listening, bool)
            assert events_of(logged)[0] == "listen_lost"
