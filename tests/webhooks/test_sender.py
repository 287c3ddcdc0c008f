"""What the sender takes of an application's answer: its status, and the beginning of what it says."""

import gzip
from ipaddress import ip_network

import pytest

from app.webhooks.addresses import Allowance
from app.webhooks.outcomes import Attempt
from app.webhooks.sender import EXCERPT_BYTES, HttpSender
from tests.cloudpress.server import Behaviour, flood, misbehaving, raw, reply
from tests.receiver import LOCAL_NETWORKS

HEAD = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def send(behaviour: Behaviour, *, times: int = 1) -> tuple[Attempt, list[bytes]]:
    """Return the last attempt of several, and the requests that came."""
    sender = HttpSender(Allowance((ip_network(LOCAL_NETWORKS),)))
    try:
        async with misbehaving(behaviour) as server:
            url, headers = f"{server.url}/hook", {"webhook-id": "1"}
            attempts = [await sender.send(url, headers, b"{}") for _ in range(times)]
            return attempts[-1], server.requests
    finally:
        await sender.aclose()


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
@pytest.mark.parametrize("coding", ["gzip", "br, gzip", "x-own"])
async def test_what_is_compressed_is_not_looked_at(status: str, coding: str) -> None:
    packed = gzip.compress(gzip.compress(b" " * 1_000_000))
    attempt, requests = await send(reply(status, packed, f"Content-Encoding: {coding}"))
    assert (attempt.status, attempt.excerpt) == (int(status[:3]), "")
    assert b"accept-encoding: identity\r\n" in requests[0].lower()


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        (flood(b"", CONTINUE * 1000), None, "heads without end before the answer's own"),
        (flood(HEAD, b"X-More: and more\r\n" * 1000), None, "a head without end"),
        (flood(HEAD + b"\r\n", b" " * 1000), 200, "a body without end"),
        (
            flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000),
            200,
            "frames without end",
        ),
        (raw(CONTINUE * 3 + HEAD + b"Content-Length: 0\r\n\r\n"), 200, "a few 1xx"),
    ],
)
async def test_an_answer_is_bounded(behaviour: Behaviour, status: int | None, reason: str) -> None:
    attempt, _ = await send(behaviour)
    assert attempt.status == status, reason
    assert len(attempt.excerpt or "") <= EXCERPT_BYTES
    assert (attempt.error is not None) is (status is None)


async def test_a_second_answer_is_not_the_next_ones() -> None:
    """It would tell that a message was taken which nobody has read."""
    ok, away = (b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status for status in (b"200 OK", b"503 Away"))
    asked = 0

    async def twice(_request: bytes, writer: object) -> None:
        nonlocal asked
        asked += 1
        writer.write(ok + ok if asked == 1 else away)  # type: ignore[attr-defined]

    attempt, requests = await send(twice, times=2)
    assert (attempt.status, len(requests)) == (503, 2)
