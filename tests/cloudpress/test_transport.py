"""What happens to an answer on its way: compressed, doubled, late, on a connection that others use."""

import asyncio
import gzip
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import pytest

from app.cloudpress import (
    BadAnswer,
    CloudPress,
    CloudPressError,
    Connections,
    NotSent,
    Refused,
    SiteOrder,
    transport,
)
from tests.cloudpress.server import Behaviour, misbehaving, raw, reply

PLACED = json.dumps({"order": {"id": "o-1", "status": "open"}}).encode()
SITE = SiteOrder(name="Site", variant="vanilla")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
DEADLINE_SECONDS = 0.5
PATIENCE_SECONDS = 60


def answer(document: object, *, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


def order(order_id: str) -> bytes:
    return answer({"order": {"id": order_id}})


def client(connections: Connections, url: str, timeout_seconds: float = 10) -> CloudPress:
    return CloudPress(connections, url, token="token", account_id="acct", timeout_seconds=timeout_seconds)


async def place(cloudpress: CloudPress) -> str:
    placed = await cloudpress.place(
        SITE, callback_url="http://127.0.0.1/v1/callbacks/1", callback_authorization="Bearer callback"
    )
    return placed.value.order_id


@cache
def bomb() -> bytes:
    """Return a few hundred bytes that stand for many millions."""
    packed = b" " * (64 * 1024 * 1024)
    for _ in range(3):
        packed = gzip.compress(packed)
    return packed


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP, gzip, gzip", "deflate", "br", "zstd", "identity, gzip", "x-y"]
)
@pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
async def test_nothing_is_inflated(status: str, coding: str) -> None:
    behaviour = reply(status, gzip.compress(b"{}"), f"Content-Encoding: {coding}", "Content-Type: text/html")
    async with misbehaving(behaviour) as server, Connections() as connections:
        with pytest.raises(CloudPressError) as caught:
            await client(connections, server.url).about()
        error = caught.value
        if status.startswith("200"):
            assert (type(error), error.kind) == (BadAnswer, "undecodable")
        else:
            assert isinstance(error, Refused)
            assert (error.status, error.errors, error.is_own_form) == (502, (), False)
        assert b"accept-encoding: identity" in server.requests[0].lower()


@pytest.mark.parametrize("status", ["200 OK", "502 Bad Gateway"])
async def test_a_bomb_stays_as_small_as_it_comes(status: str) -> None:
    async with (
        misbehaving(reply(status, bomb(), "Content-Encoding: gzip, gzip, gzip")) as server,
        Connections() as connections,
    ):
        with pytest.raises(CloudPressError):
            await client(connections, server.url).about()


async def test_identity_is_no_coding() -> None:
    behaviour = reply("201 Created", PLACED, "Content-Encoding: identity")
    async with misbehaving(behaviour) as server, Connections() as connections:
        assert await place(client(connections, server.url)) == "o-1"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (raw(CONTINUE * 3 + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + order("o-1")), "a few 1xx"),
        (raw(b"HTTP/1.0 200 OK\r\n\r\n" + PLACED), "whole, although no length says so"),
        (raw(order("o-1") + b"\r\n"), "an empty line is nothing"),
        (raw(CHUNKED % (len(PLACED), PLACED)), "in chunks"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_whole_and_alone_is_taken(behaviour: Behaviour, reason: str) -> None:
    async with misbehaving(behaviour) as server, Connections() as connections:
        assert await place(client(connections, server.url)) == "o-1", reason


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "in two parts"])
async def test_the_rest_of_one_answer_is_not_the_next_ones(*, pause: bool) -> None:
    """A connection on which more came than was asked for serves nobody else."""
    asked = 0

    async def twice(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(order(request.split()[1].decode().rpartition("/")[2]))
        if asked == 1:
            if pause:
                await writer.drain()
            writer.write(order("stranger"))
        await writer.drain()

    async with misbehaving(twice) as server, Connections() as connections:
        cloudpress = client(connections, server.url)
        with pytest.raises(BadAnswer) as caught:
            await cloudpress.order("first")
        assert caught.value.kind == "several_answers"
        assert (await cloudpress.order("second")).value.id == "second"
        assert server.connections == 2


@contextmanager
def answering_late(answer_now: threading.Event) -> Iterator[tuple[str, threading.Event]]:
    """Serve one request in a thread, and answer it once `answer_now` is set; the event tells that it came."""
    came = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # whoever was to ask has given up
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                came.set()
                answer_now.wait(PATIENCE_SECONDS)
                connection.sendall(order("o-1"))
                connection.recv(1)  # until it is closed

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
    finally:
        answer_now.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


async def test_an_answer_that_is_here_when_time_is_up_is_read() -> None:
    """The event loop stood still until the deadline had passed, and the whole answer lies in the buffer."""
    answer_now = threading.Event()
    with answering_late(answer_now) as (url, came):
        async with Connections() as connections:
            placing = asyncio.create_task(place(client(connections, url, DEADLINE_SECONDS)))
            assert await asyncio.to_thread(came.wait, PATIENCE_SECONDS)
            answer_now.set()
            time.sleep(DEADLINE_SECONDS * 2)  # noqa: ASYNC251 - on purpose
            assert await placing == "o-1"


CHILD = f"""
import asyncio, sys
from app.cloudpress import CloudPress, Connections, SiteOrder

async def main():
    async with Connections() as connections:
        cloudpress = CloudPress(
            connections, sys.argv[1], token="t", account_id="a", timeout_seconds={DEADLINE_SECONDS}
        )
        placed = await cloudpress.place(
            SiteOrder(name="Site", variant="vanilla"),
            callback_url="http://x",
            callback_authorization="Bearer y",
        )
        print(placed.value.order_id)

asyncio.run(main())
"""


def test_a_process_that_was_stopped_reads_the_answer_when_it_goes_on() -> None:
    answer_now = threading.Event()
    with (
        answering_late(answer_now) as (url, came),
        subprocess.Popen([sys.executable, "-c", CHILD, url], stdout=subprocess.PIPE, text=True) as child,
    ):
        assert came.wait(PATIENCE_SECONDS)
        child.send_signal(signal.SIGSTOP)
        answer_now.set()
        time.sleep(DEADLINE_SECONDS * 2)
        child.send_signal(signal.SIGCONT)
        told, _ = child.communicate(timeout=PATIENCE_SECONDS)
    assert told == "o-1\n"


async def test_an_answer_that_is_not_here_in_time_is_not_waited_for_long() -> None:
    never = threading.Event()
    with answering_late(never) as (url, _):
        async with Connections() as connections:
            with pytest.raises(CloudPressError) as caught:
                await place(client(connections, url, DEADLINE_SECONDS))
    assert caught.value.kind == "timeout"


async def test_nothing_is_sent_once_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slept between the decision and the request."""
    seconds = iter([0.0, 1200.0])
    monkeypatch.setattr(transport, "_seconds", lambda: next(seconds))
    async with misbehaving(reply("201 Created", PLACED)) as server, Connections() as connections:
        with pytest.raises(NotSent) as caught:
            await place(client(connections, server.url))
        assert caught.value.kind == "no_time"
        assert server.requests == []


async def test_a_cancelled_request_ends_at_once() -> None:
    never = threading.Event()
    with answering_late(never) as (url, came):
        async with Connections() as connections:
            placing = asyncio.create_task(place(client(connections, url)))
            assert await asyncio.to_thread(came.wait, PATIENCE_SECONDS)
            placing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await placing
            left = [task for task in asyncio.all_tasks() if task.get_name() == "cloudpress"]
            assert left == []
