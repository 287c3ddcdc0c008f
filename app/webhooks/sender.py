"""Sends one message to one application: checked address, no redirects, and not longer than it may take."""

import asyncio
import contextlib
from typing import Protocol
from urllib.parse import urlsplit

import httpcore

from app.network import certificate_problem, trust_store
from app.network.answers import ACCEPT_IDENTITY, CodedError, check_coding
from app.network.dates import seconds_of_retry_after
from app.network.streams import is_alone
from app.webhooks.addresses import Allowance, ForbiddenAddressError, GuardedBackend
from app.webhooks.outcomes import Attempt
from app.webhooks.resolver import Names

ATTEMPT_SECONDS = 15.0
# The status is the answer. What comes after it may add to the excerpt for so long, and is not waited for
# in the last moments of an attempt, which are for writing down the status.
BODY_SECONDS = 2.0
LAST_SECONDS = 0.5
EXCERPT_BYTES = 1024
MOST_CONNECTIONS = 512
KEPT_OPEN = 50
KEEP_OPEN_SECONDS = 30.0
USER_AGENT = "Presshook"


class Sender(Protocol):
    """Sends messages."""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Send a message; whatever goes wrong is told in the attempt."""


class HttpSender:
    """Sends messages over HTTP. One for all webhooks; `aclose` ends it."""

    def __init__(self, allowance: Allowance, *, attempt_seconds: float = ATTEMPT_SECONDS) -> None:
        """Prepare; nothing connects before the first message.

        Raises:
            NetworkSettingsError: the environment names certificates that cannot be read.
        """
        self._attempt_seconds = attempt_seconds
        names, tls = Names(), trust_store()
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=KEPT_OPEN,
                keepalive_expiry=KEEP_OPEN_SECONDS,
                network_backend=GuardedBackend(allowance, names, is_encrypted=scheme == b"https"),
            )
            for scheme in (b"https", b"http")
        }

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        """Send a message; whatever goes wrong is told in the attempt."""
        try:
            until = asyncio.get_running_loop().time() + self._attempt_seconds
            async with asyncio.timeout_at(until):
                return await self._send(_parsed(url), headers, body, until=until)
        except TimeoutError:
            return Attempt(None, error=f"No answer within {self._attempt_seconds:.0f} s.")
        except ForbiddenAddressError as error:
            return Attempt(None, error=str(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            certificate = certificate_problem(error)
            if certificate is not None:
                advice = "if it is of your own authority, its operator can name that in SSL_CERT_FILE"
                return Attempt(None, error=f"The certificate is not trusted: {certificate}; {advice}.")
            # Texts of the network's errors name no secret, but say little as well.
            return Attempt(None, error=f"The connection failed ({type(error).__name__}).")
        except (ValueError, httpcore.UnsupportedProtocol, UnicodeError):
            return Attempt(None, error="The URL cannot be requested.")

    async def _send(
        self, url: httpcore.URL, headers: dict[str, str], body: bytes, *, until: float
    ) -> Attempt:
        sent = {"host": _host(url), "user-agent": USER_AGENT, "content-type": "application/json", **headers}
        sent[ACCEPT_IDENTITY[0].lower()] = ACCEPT_IDENTITY[1]
        sent["content-length"] = str(len(body))
        pool = self._pools[url.scheme]
        async with pool.stream("POST", url, headers=list(sent.items()), content=body) as answer:
            excerpt = await _beginning(answer, until=until - LAST_SECONDS)
            await is_alone(answer)
            told = {name.lower(): value for name, value in answer.headers}
            attempt = Attempt(
                answer.status,
                excerpt=excerpt.decode("utf-8", "replace").replace("\x00", "�"),
                retry_after_seconds=seconds_of_retry_after(told.get(b"retry-after", b"").decode("latin-1")),
            )
        if attempt.is_success:
            return attempt
        said = (
            "redirects, which is not followed" if 300 <= answer.status <= 399 else "did not take the message"
        )
        return Attempt(
            attempt.status, attempt.excerpt, f"The application {said}.", attempt.retry_after_seconds
        )


async def _beginning(answer: httpcore.Response, *, until: float) -> bytes:
    """Return the first part of an answer's body, as far as it came soon and by `until`, the loop's time.

    A status is an answer, even if the body breaks off, never comes, or is compressed (nobody asked for that).
    """
    excerpt = b""
    try:
        check_coding(
            value.decode("latin-1") for name, value in answer.headers if name.lower() == b"content-encoding"
        )
    except CodedError:
        return excerpt
    until = min(until, asyncio.get_running_loop().time() + BODY_SECONDS)
    with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError, TimeoutError):
        async with asyncio.timeout_at(until):
            async for chunk in answer.aiter_stream():
                excerpt += chunk
                if len(excerpt) >= EXCERPT_BYTES:
                    break
    return excerpt[:EXCERPT_BYTES]


def _parsed(url: str) -> httpcore.URL:
    # Given whole, httpcore would drop what follows a `;` in the path.
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


def _host(url: httpcore.URL) -> str:
    host = url.host.decode()
    host = f"[{host}]" if ":" in host else host
    return host if url.port is None else f"{host}:{url.port}"
