"""Connects to a name: to several of its addresses, one a little after the other, whichever answers first.

(RFC 8305, "Happy Eyeballs".) asyncio can do it by itself, uvloop, which the service runs on, cannot.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, zip_longest
from typing import TypeVar

HEAD_START_SECONDS = 0.25

T = TypeVar("T", bound=asyncio.Protocol)


async def connect(make: Callable[[], T], host: str, port: int, *, local_address: str | None = None) -> T:
    """Return the protocol of a new connection; `make` makes one for each attempt.

    Raises:
        OSError: the name has no address, or none that answers. The text is of the first that failed.
    """
    attempts: set[asyncio.Task[T]] = set()
    failures: list[Exception] = []
    addresses = await _addresses(host, port)
    if len(addresses) == 1:
        return await _connect(make, addresses[0], port, local_address)
    try:
        for address in addresses:
            attempts.add(asyncio.create_task(_connect(make, address, port, local_address)))
            is_last = address == addresses[-1]
            while attempts:
                patience = None if is_last else HEAD_START_SECONDS
                done, attempts = await asyncio.wait(
                    attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in done:
                    if (error := attempt.exception()) is None:
                        return attempt.result()
                    failures.append(error if isinstance(error, Exception) else OSError(str(error)))
                if not is_last:
                    break
        raise failures[0] if failures else OSError("the name has no address")
    finally:
        await _give_up(attempts)


async def _connect(make: Callable[[], T], address: str, port: int, local_address: str | None) -> T:
    local = (local_address, 0) if local_address else None
    _, protocol = await asyncio.get_running_loop().create_connection(make, address, port, local_addr=local)
    return protocol


async def _give_up(attempts: set[asyncio.Task[T]]) -> None:
    """End attempts that are no longer needed, and close what came of them meanwhile."""
    for attempt in attempts:
        attempt.cancel()
    for made in await asyncio.gather(*attempts, return_exceptions=True):
        transport = getattr(made, "transport", None)
        if transport is not None:
            transport.abort()


async def _addresses(host: str, port: int) -> list[str]:
    """Return a name's addresses, those of the one family and the other in turn."""
    with suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The system's order, which knows the machine's routes, decides who is first.
    first = [str(each[4][0]) for each in found if each[0] == found[0][0]]
    others = [str(each[4][0]) for each in found if each[0] != found[0][0]]
    in_turn = chain.from_iterable(zip_longest(first, others))
    return list(dict.fromkeys(address for address in in_turn if address is not None))
