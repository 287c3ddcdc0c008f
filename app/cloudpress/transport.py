"""One request to CloudPress and its whole answer, or the fact of how it failed.

Exceptions of httpx hold the request and with it the token. So none may become the cause or the
context of ours, which therefore are raised only after the `except` block was left.
"""

import asyncio
import ssl
from contextlib import aclosing
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from app.cloudpress.errors import BadAnswer, CloudPressError, NoAnswer, NotSent
from app.cloudpress.redaction import Redaction

MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Received:
    """An answer of any status. The body of one other than 2xx is empty if it did not come whole."""

    status: int
    headers: httpx.Headers
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300


class _TooLargeError(Exception):
    pass


def new_client(headers: dict[str, str], tls: ssl.SSLContext, *, keep_alive: bool) -> httpx.AsyncClient:
    """Return a client that follows no redirect and keeps no cookie; a session's would outrank the token.

    Without `keep_alive` every request has a connection of its own.
    """
    limits = httpx.Limits() if keep_alive else httpx.Limits(max_keepalive_connections=0)
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(headers=headers, verify=tls, limits=limits, cookies=jar)


async def exchange(
    client: httpx.AsyncClient, request: httpx.Request, *, deadline_seconds: float, redact: Redaction
) -> Received:
    """Send a request and read its whole answer within `deadline_seconds`.

    Raises:
        NotSent, NoAnswer: it could not be sent, or no complete answer came.
        BadAnswer: a 2xx answer larger than 4 MiB, or compressed wrongly.
    """
    if deadline_seconds <= 0:
        raise NotSent("no time was left to ask CloudPress", kind="no_time")
    # httpx's own limits are per operation, so a dripping answer needs the total one around it. Pool, TCP
    # and TLS each get a quarter: a connection that cannot be had fails as NotSent before the total ends.
    request.extensions["timeout"] = httpx.Timeout(
        deadline_seconds, connect=deadline_seconds / 4, pool=deadline_seconds / 4
    ).as_dict()
    head: Received | None = None
    try:
        async with asyncio.timeout(deadline_seconds):
            response = await client.send(request, stream=True)
            async with aclosing(response):
                head = Received(response.status_code, response.headers)
                return Received(head.status, head.headers, await _read(response))
    except TimeoutError:
        failure: CloudPressError = NoAnswer("CloudPress did not answer in time", kind="timeout")
    except _TooLargeError:
        failure = BadAnswer("CloudPress's answer is larger than 4 MiB", kind="too_large")
    except (httpx.HTTPError, OSError) as error:
        failure = _failure(error, redact)
    if head is not None and not head.is_success:
        # The status has already said what became of the request, whatever happened to its explanation.
        return head
    raise failure


async def _read(response: httpx.Response) -> bytes:
    """Read the body, counted after decompression, which is where a small answer can grow large."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _TooLargeError
    return bytes(body)


def _failure(error: httpx.HTTPError | OSError, redact: Redaction) -> CloudPressError:
    """Say what an exception means. Whatever is not known to precede sending counts as sent."""
    detail = redact.tidy(str(error)) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return NotSent("CloudPress could not be reached in time", kind="connect_timeout")
        case httpx.PoolTimeout():
            return NotSent("no connection to CloudPress became free in time", kind="pool_timeout")
        case httpx.ConnectError():
            return NotSent(f"CloudPress could not be reached: {detail}", kind="connect")
        case httpx.ProxyError():
            return NotSent(f"the proxy did not connect to CloudPress: {detail}", kind="proxy")
        case httpx.TimeoutException():
            return NoAnswer("CloudPress did not answer in time", kind="timeout")
        case httpx.DecodingError():
            return BadAnswer("CloudPress's answer is compressed wrongly", kind="undecodable")
        case httpx.ProtocolError():
            return NoAnswer(f"CloudPress broke off or broke HTTP: {detail}", kind="protocol")
        case _:
            return NoAnswer(f"the connection to CloudPress broke: {detail}", kind="disconnect")
