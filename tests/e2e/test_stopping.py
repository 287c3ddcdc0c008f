"""The end of the installed program: no client that does not read holds it up."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.db.database import Database
from app.db.url import async_database_url
from app.events.timeline import record
from app.events.types import EventType
from app.secrets import Encryption
from tests.e2e.conftest import answers, environment, free_url, port_of, program
from tests.settings import API_KEY, SECRET_KEY
from tests.sse import stream

EVENTS = 100
# All of them are more than what the system keeps for a client that reads nothing.
EVENT_CHARACTERS = 200_000


@contextmanager
def stuck(url: httpx.URL, accept: str) -> Iterator[None]:
    """Ask for all events and read only how the answer begins, while the block runs."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((url.host, url.port))
        client.sendall(
            f"GET /v1/events?limit=100 HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {API_KEY}\r\n"
            f"Accept: {accept}\r\nLast-Event-ID: 0\r\n\r\n".encode()
        )
        assert client.recv(12) == b"HTTP/1.1 200"
        yield


async def test_clients_that_do_not_read_do_not_hold_up_the_end(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    url = free_url()
    with program("serve", "--port", port_of(url), env=environment(database_url), cwd=tmp_path) as process:
        async with httpx.AsyncClient(base_url=url, headers=api_headers, timeout=60) as client:
            await answers(client, "/readyz", 200)
            database = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
            async with database.write() as tx:
                for _ in range(EVENTS):
                    record(tx, None, EventType.SERVICE_RESTORED, text="x" * EVENT_CHARACTERS)
            await database.dispose()
            with stuck(httpx.URL(url), "text/event-stream"), stuck(httpx.URL(url), "application/json"):
                async with stream(client, "/v1/events", after=0) as opened:
                    told = 0
                    async for _ in opened:
                        told += 1
                        if told == EVENTS:
                            process.send_signal(signal.SIGTERM)
                assert told == EVENTS
                assert process.wait(timeout=30) == 0
    log = (tmp_path / "serve.log").read_text()
    assert "stuck_connections_cut_off" in log
    assert "graceful shutdown exceeded" not in log, "it did not have to wait as long as it may"
