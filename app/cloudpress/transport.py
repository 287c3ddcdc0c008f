"""One request to CloudPress and its whole answer, or the fact of how it failed.

Exceptions of the network may hold what was sent, and with it the token. So none may become the cause or the
context of ours, which therefore are raised only after the `except` block was left.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from app.cloudpress.errors import BadAnswer, CloudPressError, NoAnswer, NotSent
from app.cloudpress.redaction import redaction
from app.network import certificate_problem
from app.network.answers import CodedError, NotAloneError, TooLargeError, read_alone

MAX_BODY_BYTES = 4 * 1024 * 1024
# The last word for an answer that is here already when its time is up: the process was stopped, or busy.
LATE_SECONDS = 1.0


@dataclass(frozen=True)
class Request:
    """What is sent. `path` begins with `/` and is quoted; the headers hold the token."""

    method: str
    base: httpx.URL
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def of_httpcore(self, extensions: Mapping[str, Any]) -> httpcore.Request:
        """Return it as the pools take it."""
        host = self.base.raw_host
        shown = b"[%b]" % host if b":" in host else host
        port = b"" if self.base.port is None else b":%d" % self.base.port
        length = {} if self.body is None else {"Content-Length": str(len(self.body))}
        return httpcore.Request(
            self.method,
            httpcore.URL(
                scheme=self.base.raw_scheme,
                host=host,
                port=self.base.port,
                target=self.base.raw_path.rstrip(b"/") + self.path.encode("ascii"),
            ),
            headers=[(b"Host", shown + port), *({**self.headers, **length}).items()],
            content=self.body,
            extensions=dict(extensions),
        )


@dataclass(frozen=True)
class Received:
    """An answer of any status. The body of one other than 2xx is empty if it did not come whole, or coded."""

    status: int
    headers: httpx.Headers
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300


class _NoTimeError(Exception):
    pass


async def exchange(
    pool: httpcore.AsyncConnectionPool,
    request: Request,
    *,
    deadline_seconds: float,
    late_seconds: float = 0.0,
) -> Received:
    """Send a request and read its whole answer within `deadline_seconds`.

    Nothing is sent after them, by a clock that goes on while the machine sleeps. An answer that has come by
    then is read in the `late_seconds` that follow.

    Raises:
        NotSent, NoAnswer: it could not be sent, or no complete answer came.
        BadAnswer: a 2xx answer larger than 4 MiB or compressed; any answer that another one follows.
    """
    if deadline_seconds <= 0:
        raise NotSent("no time was left to ask CloudPress", kind="no_time")
    one = _Exchange(request, deadline_seconds)
    task = asyncio.create_task(one.run(pool), name="cloudpress")
    try:
        # Not a timeout, which would cancel whoever is about to read what lies there already.
        for patience in (deadline_seconds, late_seconds):
            if patience and not task.done():
                await asyncio.wait([task], timeout=patience)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if task.cancelled():
        failure: CloudPressError | None = one.out_of_time()
    else:
        failure = task.result()
    if one.received is not None and (failure is None or one.says_what_became_of_it(failure)):
        return one.received
    assert failure is not None  # noqa: S101 - without an answer there is one
    raise failure


class _Exchange:
    """One request under way, and how far it has come."""

    def __init__(self, request: Request, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._method = request.method
        self._began_at = _seconds()
        self._is_sent = False
        self.received: Received | None = None
        # httpcore's own limits are per operation. Pool, TCP and TLS each get a quarter: a connection that
        # cannot be had fails as NotSent before the whole time is over.
        timeout = {"connect": deadline_seconds / 4, "pool": deadline_seconds / 4}
        self._request = request.of_httpcore({"timeout": timeout, "trace": self._trace})

    async def run(self, pool: httpcore.AsyncConnectionPool) -> CloudPressError | None:
        """Send and read; `received` is what came, what is returned how it failed."""
        try:
            answer = await pool.handle_async_request(self._request)
            try:
                headers = httpx.Headers(answer.headers)
                self.received = Received(answer.status, headers)
                body = await read_alone(answer, method=self._method, most=MAX_BODY_BYTES)
                self.received = Received(answer.status, headers, body)
            finally:
                await answer.aclose()
        except _NoTimeError:
            return NotSent("no time was left to ask CloudPress", kind="no_time")
        except TooLargeError:
            return BadAnswer("CloudPress's answer is larger than 4 MiB", kind="too_large")
        except CodedError:
            return BadAnswer("CloudPress's answer is compressed, which was not asked for", kind="undecodable")
        except NotAloneError:
            return BadAnswer("CloudPress gave more than one answer", kind="several_answers")
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
            httpcore.ProxyError,
            OSError,
        ) as error:
            return self._failure(error)
        return None

    async def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Know when the request itself begins to leave, and let it leave only in time."""
        if event != "http11.send_request_headers.started":
            return
        if _seconds() - self._began_at >= self._deadline_seconds:
            raise _NoTimeError
        # A proxy is asked first, and learns nothing of the order.
        self._is_sent = self._is_sent or info["request"].method != b"CONNECT"

    def out_of_time(self) -> CloudPressError:
        """Say what it means that time is up."""
        if self._is_sent:
            return NoAnswer("CloudPress did not answer in time", kind="timeout")
        return NotSent("CloudPress could not be reached in time", kind="connect_timeout")

    def says_what_became_of_it(self, failure: CloudPressError) -> bool:
        """Tell whether the status says it, although the answer did not come whole."""
        return (
            self.received is not None and not self.received.is_success and failure.kind != "several_answers"
        )

    def _failure(self, error: Exception) -> CloudPressError:
        """Say what an exception means. Whatever is not known to precede sending counts as sent."""
        detail = redaction().tidy(str(error)) or type(error).__name__
        certificate = certificate_problem(error)
        if self._is_sent:
            if isinstance(error, httpcore.TimeoutException):
                return NoAnswer("CloudPress did not answer in time", kind="timeout")
            if isinstance(error, httpcore.ProtocolError):
                return NoAnswer(f"CloudPress broke off or broke HTTP: {detail}", kind="protocol")
            return NoAnswer(f"the connection to CloudPress broke: {detail}", kind="disconnect")
        if certificate is not None:
            advice = "if it is your own authority's, name that in SSL_CERT_FILE"
            return NotSent(
                f"CloudPress's certificate is not trusted: {certificate}; {advice}", kind="certificate"
            )
        match error:
            case httpcore.PoolTimeout():
                return NotSent("no connection to CloudPress became free in time", kind="pool_timeout")
            case httpcore.TimeoutException():
                return NotSent("CloudPress could not be reached in time", kind="connect_timeout")
            case httpcore.ProxyError():
                return NotSent(f"the proxy did not connect to CloudPress: {detail}", kind="proxy")
            case _:
                return NotSent(f"CloudPress could not be reached: {detail}", kind="connect")


def _seconds() -> float:
    """Return seconds that go on while the machine sleeps, where the system counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
