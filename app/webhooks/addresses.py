"""Which addresses a webhook may reach: the public ones, and those that a setting names.

What counts is the address of each connection. A name is looked up anew for each, every address that it has is
checked, and the connection is made to a checked address, so that a name cannot change its mind in between.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore
import structlog

from app.network.names import NAMES, is_host
from app.network.streams import Backend, Stream
from app.webhooks.resolver import Address, Names, address_in, written_out

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beside what the registries call not global (loopback, private, link-local, CGNAT, documentation, …).
_FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23", "3fff::/20")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


# What RFC 3986 allows; a name of other letters has to be given as its A-labels (`xn--…`).
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]+")


# An address that does not answer leaves the others of its name their turn.
ADDRESS_SECONDS = 3.0
ADDRESSES_SECONDS = 9.0

log = structlog.get_logger()


class ForbiddenAddressError(Exception):
    """A webhook's address may not be reached; the text says why."""


class NotPublicError(ForbiddenAddressError):
    """The address is not public, and no setting names it; the text tells the address."""


class BadUrlError(ValueError):
    """A webhook's URL can never be used; the text says why."""


@dataclass(frozen=True)
class Allowance:
    """Networks that webhooks may reach although they are not public, over plain http as well."""

    networks: tuple[Network, ...] = ()

    def covers(self, address: Address) -> bool:
        """Tell whether a setting names the address, and all that it leads to and is not public."""
        meanings = tuple(_meanings(address))
        return any(self._names(each) for each in meanings) and all(
            self._names(each) or _is_public(each) for each in meanings
        )

    def _names(self, address: Address) -> bool:
        return any(network.version == address.version and address in network for network in self.networks)

    def check(self, address: Address, *, is_encrypted: bool) -> None:
        """Check one address.

        Raises:
            ForbiddenAddressError: it may not be reached.
        """
        if self.covers(address):
            return
        if not all(_is_public(each) for each in _meanings(address)):
            raise NotPublicError(f"{address} is not a public address.")
        if not is_encrypted:
            raise ForbiddenAddressError("Only https may leave for a public address.")

    def check_url(self, url: str) -> None:
        """Check what can be told of a URL without a connection.

        Raises:
            BadUrlError: it can never be used.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadUrlError("This is not a URL.") from None
        if parts.scheme not in {"https", "http"} or not host:
            raise BadUrlError("An https URL is needed.")
        if parts.scheme == "http" and not self.networks:
            raise BadUrlError("An https URL is needed; WEBHOOK_ALLOWED_NETWORKS is empty.")
        if "@" in parts.netloc:
            raise BadUrlError("A URL with a user or a password is not taken.")
        if parts.fragment or port == 0 or not _CHARACTERS.fullmatch(url) or not _HOST.fullmatch(host):
            raise BadUrlError("This URL cannot be requested.")
        if not is_host(host):
            raise BadUrlError(f"This URL cannot be requested: {NAMES}.")
        for address in written_out(host.rstrip(".")):
            try:
                self.check(address, is_encrypted=parts.scheme == "https")
            except ForbiddenAddressError as error:
                raise BadUrlError(str(error)) from None


def _meanings(address: Address) -> Iterable[Address]:
    """Return an address and those that it leads to: IPv4 in IPv6 comes in several wrappings."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None or address in _NAT64:
            return True  # what is in it decides
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _FORBIDDEN if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses alone."""

    def __init__(self, allowance: Allowance, names: Names, *, is_encrypted: bool) -> None:
        """Guard connections; `is_encrypted` says whether TLS will run over them."""
        self._allowance = allowance
        self._names = names
        self._is_encrypted = is_encrypted
        self._backend = Backend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Stream:
        """Look a host up, check all its addresses, and connect to the first of them that answers.

        Raises:
            ForbiddenAddressError: one of them may not be reached.
        """
        spelled = written_out(host)
        addresses = spelled or await self._names.resolve(host)
        for address in addresses:
            self._check(address, host, is_spelled=bool(spelled))
        share_seconds = min(ADDRESS_SECONDS, ADDRESSES_SECONDS / len(addresses))
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            patience = timeout if address == addresses[-1] else share_seconds
            try:
                stream = await self._backend.connect_tcp(
                    str(address), port, patience, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            # The last word has the socket itself.
            self._check(address_in(stream.get_extra_info("server_addr")), host, is_spelled=bool(spelled))
            return stream
        raise failure

    def _check(self, address: Address, host: str, *, is_spelled: bool) -> None:
        """Check an address; who gave us a name is not told which address inside our network it has."""
        try:
            self._allowance.check(address, is_encrypted=self._is_encrypted)
        except NotPublicError:
            if is_spelled:
                raise
            log.warning("webhook_address_refused", host=host, address=str(address))
            raise ForbiddenAddressError("The name leads to an address that is not public.") from None

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse."""
        raise ForbiddenAddressError("A webhook is no file.")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._backend.sleep(seconds)
