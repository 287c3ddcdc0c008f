"""Sends requests over many connections, each the next once the last is answered: how many a second that are.

    python -m tests.bench.load URL CONNECTIONS SECONDS < requests

Standard input has a line for each request, all of which are sent in turn: its path, its `Authorization` and
its body, between tabs. A line is printed: requests a second, and how many were answered with each status.
"""

import asyncio
import json
import sys
from collections import Counter
from itertools import cycle
from urllib.parse import urlsplit

import uvloop


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: "cycle[bytes]", answered: Counter[str]) -> None:
        """Send what comes next of the requests, and count how each is answered."""
        self._requests = requests
        self._answered = answered
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is one in all but its class
        self._send()

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Take an answer in, and send the next request once it is whole."""
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if len(rest) < length:
            return
        self._answered[head[9:12].decode()] += 1
        self._buffer = rest[length:]
        self._send()


def requests_of(lines: list[str], host: str) -> list[bytes]:
    """Return requests as bytes."""
    requests = []
    for line in lines:
        path, authorization, body = line.rstrip("\n").split("\t")
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n"
        )
        requests.append((head + body).encode())
    return requests


async def main(url: str, connections: int, seconds: float) -> None:
    """Send requests for so many seconds, and print how that went."""
    at = urlsplit(url)
    requests = cycle(requests_of(sys.stdin.readlines(), at.netloc))
    answered: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Client(requests, answered), at.hostname or "", at.port or 80)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds / 4)  # until all of them have begun
    answered.clear()
    await asyncio.sleep(seconds)
    print(json.dumps({"per_second": sum(answered.values()) / seconds, "statuses": dict(answered)}))
    for transport, _ in opened:
        transport.abort()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
