"""Looks names up beside the event loop, so that a name whose servers do not answer holds up no other.

asyncio's own threads are few, and one that waits for a name server cannot be called back: a handful of dead
names would take them all for as long as the system's resolver is patient.
"""

import asyncio
import ipaddress
import socket
from contextlib import suppress
from threading import Thread

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Look-ups of one name share one thread, so this many names must hang at once to hold up others. It is
# twice what the deliverer sends at once.
MOST_LOOK_UPS = 512


class Names:
    """Looks names up, each in a thread of its own; who asks for the same one meanwhile shares it.

    The threads are daemons: nobody waits for them, the end of the process neither.
    """

    def __init__(self, *, most: int = MOST_LOOK_UPS) -> None:
        """Begin with no look-up running; at most `most` ever are."""
        self._most = most
        self._running: dict[str, asyncio.Future[list[Address]]] = {}

    async def resolve(self, host: str) -> list[Address]:
        """Return a host's addresses as the system's resolver tells them now.

        Raises:
            httpcore.ConnectError: there is none, or too many names are being looked up.
        """
        found = self._running.get(host)
        if found is None:
            if len(self._running) >= self._most:
                raise httpcore.ConnectError("too many names are being looked up")
            loop = asyncio.get_running_loop()
            Thread(target=self._look_up, args=(loop, host), name=f"look-up {host}", daemon=True).start()
            # Its answer comes through the loop, so not before this.
            found = self._running[host] = loop.create_future()
        # Whoever gives up leaves the look-up to those who share it.
        addresses = await asyncio.shield(found)
        if not addresses:
            raise httpcore.ConnectError("the name cannot be resolved")
        return addresses

    def _look_up(self, loop: asyncio.AbstractEventLoop, host: str) -> None:
        addresses: list[Address] = []
        try:
            addresses = _addresses(host)
        except (OSError, UnicodeError):
            pass  # none
        finally:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._tell, host, addresses)

    def _tell(self, host: str, addresses: list[Address]) -> None:
        self._running.pop(host).set_result(addresses)


def written_out(host: str) -> list[Address]:
    """Return the address that a host spells out, in any spelling that a resolver takes; none for a name."""
    try:
        return _addresses(host, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return []


def _addresses(host: str, *, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(address_in(info[4]) for info in found))


def address_in(sockaddr: tuple[object, ...]) -> Address:
    """Return the address in a socket's address, without the zone that it may name."""
    return ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
