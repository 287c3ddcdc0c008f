"""One request to one address of a name, as a stranger sends it: what came back, or what went wrong where.

No proxy of this machine's, no redirect followed, no connection kept: what is looked at is the way itself.
"""

import asyncio
import errno
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import SplitResult

import h11

from app.network import certificate_problem, trust_store
from app.network.names import NAMES, is_host

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
MOST_BYTES = 64 * 1024
NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
PORTS = {"http": 80, "https": 443}


class UnreachableError(Exception):
    """Nothing answers at an address; the text says why.

    `is_way_missing` says that this machine has no way there, as to IPv6 from a network that has none.
    """

    def __init__(self, reason: str, *, is_way_missing: bool = False) -> None:
        super().__init__(reason)
        self.is_way_missing = is_way_missing


class CertificateError(Exception):
    """The certificate is not trusted; the text says why."""


class NoHttpError(Exception):
    """What answers there ended the connection, was silent, or speaks something else; the text says which."""


@dataclass(frozen=True)
class Said:
    """An answer. `headers` are in lower case; `certificate_ends_at` is None without TLS."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    certificate_ends_at: datetime | None


async def addresses_of(host: str, port: int) -> list[str]:
    """Return all addresses of a name.

    Raises:
        OSError: it has none.
    """
    if not is_host(host):
        raise OSError(NAMES)
    async with asyncio.timeout(CONNECT_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def certificate_ends_at(host: str, address: str, port: int) -> datetime:
    """Return until when the certificate of a host is valid at an address.

    Raises:
        UnreachableError, CertificateError: there is none that could be trusted.
    """
    _, writer = await _connect(address, port, host)
    try:
        return _ends_at(writer) or datetime.max.replace(tzinfo=UTC)
    finally:
        writer.close()


async def post(url: SplitResult, path: str, address: str, headers: dict[str, str], body: bytes) -> Said:
    """Send a `POST` to one address of a URL's host.

    Raises:
        UnreachableError, CertificateError, NoHttpError: there was no answer.
    """
    host = url.hostname or ""
    tls_name = host if url.scheme == "https" else None
    reader, writer = await _connect(address, url.port or PORTS[url.scheme], tls_name)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            sent = {"Host": url.netloc, "Content-Type": "application/json", "User-Agent": "Presshook-doctor"}
            sent |= {**headers, "Content-Length": str(len(body)), "Connection": "close"}
            return await _exchange(reader, writer, path, sent, body)
    except TimeoutError:
        raise NoHttpError(f"no answer within {ANSWER_SECONDS:.0f} s") from None
    except (OSError, EOFError):
        raise NoHttpError("the connection was cut") from None
    except h11.ProtocolError:
        raise NoHttpError("what answers is no HTTP") from None
    finally:
        writer.close()


async def _connect(
    address: str, port: int, tls_name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = trust_store() if tls_name is not None else None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(address, port, ssl=context, server_hostname=tls_name)
    except TimeoutError:
        raise UnreachableError(f"no connection within {CONNECT_SECONDS:.0f} s") from None
    except ssl.SSLError as error:
        problem = certificate_problem(error)
        if problem is None:
            raise NoHttpError("what answers speaks no TLS") from None
        raise CertificateError(problem) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UnreachableError(reason, is_way_missing=error.errno in NO_WAY) from None


def _ends_at(writer: asyncio.StreamWriter) -> datetime | None:
    tls = writer.get_extra_info("ssl_object")
    if tls is None:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]), UTC)


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    headers: dict[str, str],
    body: bytes,
) -> Said:
    wire = h11.Connection(h11.CLIENT)
    request = h11.Request(method="POST", target=path, headers=list(headers.items()))
    writer.write((wire.send(request) or b"") + (wire.send(h11.Data(data=body)) or b""))
    writer.write(wire.send(h11.EndOfMessage()) or b"")
    answer, received = None, b""
    # Whoever refuses a body may stop reading it, and has answered all the same.
    while len(received) < MOST_BYTES:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            some = await reader.read(4096)
            if not some and answer is None and wire.trailing_data == (b"", False):
                raise EOFError
            wire.receive_data(some)
        elif isinstance(event, h11.Response):
            answer = event
        elif isinstance(event, h11.Data):
            received += bytes(event.data)
        elif not isinstance(event, h11.InformationalResponse):
            break
    if answer is None:
        raise EOFError
    told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return Said(answer.status_code, told, received, _ends_at(writer))
