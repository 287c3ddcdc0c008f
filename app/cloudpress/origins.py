"""Origins as browsers send them, since they are compared letter by letter."""

import re
from ipaddress import IPv4Address, IPv6Address

import httpx

from app.cloudpress.addresses import is_http_url

EXAMPLE = "must be origins such as https://shop.example.com, comma-separated"
# As DNS has names. Browsers keep a dot at the end, so an origin with one is another than without.
NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
# A name that ends so browsers read as an address, whose parts may be octal, hexadecimal or left out.
NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")


def browser_origin(text: str) -> str:
    """Return an origin as browsers send it: in small letters and ASCII, without a port that goes by itself.

    Raises:
        ValueError: it is none, an address with more than an origin has, or one that stands for several.
    """
    text = text.strip()
    if "*" in text:
        raise ValueError(f"{EXAMPLE}: wildcards are not taken, so each is written out")
    if not is_http_url(text) or re.search(r"[/?#@]", text.partition("://")[2]) or "://" not in text:
        raise ValueError(EXAMPLE)
    url = httpx.URL(text)
    host = _host(url.raw_host.decode())
    return f"{url.scheme}://{host}" + ("" if url.port is None else f":{url.port}")


def _host(host: str) -> str:
    """Return a host, in ASCII and small letters, as browsers write it.

    Raises:
        ValueError: browsers know no such host, or write it in a way that is left to whoever sets it.
    """
    if ":" in host:
        return f"[{_shortest(host)}]"
    if not NAME.fullmatch(host):
        raise ValueError(f"{EXAMPLE}, in letters, digits, dots and hyphens")
    if NUMBER_AT_END.fullmatch(host) and not _is_written_out(host):
        raise ValueError(f"{EXAMPLE}: addresses are written as 192.0.2.1, in four decimal numbers")
    return host


def _shortest(host: str) -> str:
    """Return an IPv6 address with its longest run of zeros left out; it has no zone in a browser.

    Raises:
        ValueError: it is none.
    """
    if "%" in host:
        raise ValueError(EXAMPLE)
    try:
        address = IPv6Address(host)
    except ValueError:
        raise ValueError(EXAMPLE) from None
    if address.ipv4_mapped is None:
        return str(address)
    # Python's releases write such a one in two ways, browsers in this.
    mapped = int(address.ipv4_mapped)
    return f"::ffff:{mapped >> 16:x}:{mapped & 0xFFFF:x}"


def _is_written_out(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
