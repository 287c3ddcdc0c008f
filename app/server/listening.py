"""Sockets that listen, and how the addresses that they are reached at are written."""

import errno
import socket
from contextlib import suppress

from app.config.loading import SettingsError
from app.network.names import NAMES

BACKLOG = 2048
# The kernel ends a connection on which the other side has acknowledged nothing for so long. What a client
# does not read is cut off by the server (`crowd.py`) as long as some of it waits there; this is for the rest,
# which the kernel has taken.
USER_TIMEOUT_MILLISECONDS = 30_000
# How much of what is not sent yet the kernel takes: the rest waits here, where it is counted.
UNSENT_BYTES = 128 * 1024
TAKEN = "something listens there already; choose another port"
REASONS = {
    errno.EADDRINUSE: f"{TAKEN} with --port",
    errno.EADDRNOTAVAIL: "it is no address of this machine; choose another with --host",
}
NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to connect


class ListenError(SettingsError):
    """An address cannot be listened on; the text says which and why, in one line."""


def listen_on(host: str, port: int, *, setting: str | None = None) -> list[socket.socket]:
    """Return a listening socket for each address of a host; `::` is both families in one, if there are both.

    `setting` has chosen the port, where no option did; an error names it.

    Raises:
        ListenError: one of them cannot be had.
    """
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        # The same port for all, if any may be had.
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            taken = listeners[0].getsockname()[1] if listeners else port
            listeners.append(_listener(family, (str(address[0]), taken)))
    except UnicodeError:
        raise ListenError(f"cannot listen on {authority(host, port)}: {NAMES}") from None
    except OSError as error:
        if host == "::" and error.errno in NO_IPV6:
            return listen_on("0.0.0.0", port, setting=setting)  # noqa: S104 - as many families as there are
        for listener in listeners:
            listener.close()
        reasons = REASONS if setting is None else {errno.EADDRINUSE: TAKEN}
        reason = reasons.get(error.errno or 0, error.strerror or type(error).__name__)
        named = "" if setting is None else f"{setting}: "
        raise ListenError(f"{named}cannot listen on {authority(host, port)}: {reason}") from None
    return listeners


def listen(host: str, port: int, *, exactly: bool = False) -> socket.socket:
    """Return a listening socket on a port; if that is taken on any free one, unless `exactly` it is meant.

    Raises:
        ListenError: there is none to be had.
    """
    try:
        return listen_on(host, port)[0]
    except ListenError:
        if exactly:
            raise
        return listen_on(host, 0)[0]


def _listener(family: int, address: tuple[str, int]) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named: else answers wait for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Left to itself, the kernel may or may not have the wildcard answer IPv4 as well.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        _bound_what_the_kernel_holds(listener)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _bound_what_the_kernel_holds(listener: socket.socket) -> None:
    """Set what each accepted connection inherits, where the system knows it (Linux)."""
    for name, value in (("TCP_USER_TIMEOUT", USER_TIMEOUT_MILLISECONDS), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES)):
        option = getattr(socket, name, None)
        if option is not None:
            with suppress(OSError):
                listener.setsockopt(socket.IPPROTO_TCP, option, value)


def address(listener: socket.socket) -> str:
    """Return a URL under which what listens on a socket can be reached from this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://{authority(WILDCARDS.get(host, host), port)}"


def authority(host: str, port: int) -> str:
    """Return host and port as they stand in a URL: IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
