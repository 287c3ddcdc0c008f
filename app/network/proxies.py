"""Which proxy a request takes, by the variables that curl and others follow.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either letter case; the lower one is heeded first.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from app.network.errors import NetworkSettingsError
from app.network.names import is_host

PORTS = {"http": 80, "https": 443}

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy, reached over http or https. `credentials` are a user and a password."""

    scheme: str
    host: str
    port: int
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy that requests to a URL take, None if they go there straight.

    This machine itself is never asked through a proxy, which would look for us at its own.

    Raises:
        NetworkSettingsError: the variable that applies names no HTTP proxy.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme)
    variable, value = _variable(parts.scheme, environment)
    if not value or _is_this_machine(host):
        return None
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if any(_covers(entry, host, port) for entry in excepted.replace(",", " ").split()):
        return None
    return _parsed(variable, value)


def _variable(scheme: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and the value of the variable that applies; both empty if there is none."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        for spelling in (name, name.upper()):
            value = environment.get(spelling, "").strip()
            if value:
                return spelling, value
    return "", ""


def _parsed(variable: str, value: str) -> Proxy:
    value = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(value)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise NetworkSettingsError(f"{variable}: must be an address such as http://proxy:3128") from None
    if parts.scheme not in PORTS:
        raise NetworkSettingsError(
            f"{variable}: only proxies with http:// or https:// are supported, no {_kind(parts.scheme)}; "
            "unset it for this command, or name the host in NO_PROXY"
        )
    if not is_host(host) or not host.isprintable() or " " in host or port == 0:
        raise NetworkSettingsError(f"{variable}: must be an address such as http://proxy:3128")
    credentials = None
    if parts.username is not None:
        credentials = unquote(parts.username), unquote(parts.password or "")
        if not all(part.isascii() and part.isprintable() for part in credentials):
            raise NetworkSettingsError(f"{variable}: user and password must be printable ASCII characters")
    return Proxy(parts.scheme, host, port or PORTS[parts.scheme], credentials)


def _kind(scheme: str) -> str:
    # What stands before "://" may be a password's part, if the value is malformed.
    return "SOCKS" if scheme.startswith("socks") else "others"


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Tell whether an entry of `NO_PROXY` covers a host.

    It is a name, which stands for all below it as well, an address, a network, or `*`. A port has to agree.
    """
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        network = _network(entry)
        if network is not None:
            return address in network
    name, separator, port_text = entry.rpartition(":")
    if separator and port_text.isdigit() and (":" not in name or name.startswith("[")):
        if port != int(port_text):
            return False
        entry = name
    if address is not None:
        return _address(entry.strip("[]")) == address
    name = entry.lower().removeprefix("*").strip(".")
    return bool(name) and (host.lower() == name or host.lower().endswith(f".{name}"))


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
