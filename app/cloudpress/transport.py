"""One request to CloudPress and its whole answer, or the fact of how it failed.

Exceptions of the network may hold what was sent, and with it the token. So none may become the cause or the
context of ours, which therefore are raised only after the `except` block was left.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpcore
import httpx

from app.cloudpress.connections import Pool
from app.cloudpress.errors import BadAnswer, CloudPressError, NoAnswer, NotSent
from app.cloudpress.redaction import redaction
from app.network import certificate_problem
from app.network.answers import CodedError, NotAloneError, TooLargeError
from app.network.exchanges import Route
from app.network.heads import Fields
from app.network.http1 import AnswerParser

MAX_BODY_BYTES = 4 * 1024 * 1024
# The last word for an answer that is here already when its time is up: the process was stopped, or busy.
LATE_SECONDS = 1.0
_TARGET = re.compile(rb"[!-~]+")
_FIELDS = re.compile(rb"(?:[!-9;-~]+: [ -~]*\r\n)*")


class Base:
    """Where requests go: what of their bytes does not change from one to the next."""

    def __init__(self, url: httpx.URL, route: Route, headers: Mapping[str, str]) -> None:
        """Prepare requests below a URL, on a route to it, with headers, which may be secret."""
        path = url.raw_path.rstrip(b"/")
        self._fields = _coded([("Host", route.authority), *headers.items()])
        if route.is_handed_on:
            # The proxy reads it, and has to be told where it goes.
            path = b"http://%b%b" % (route.authority.encode("ascii"), path)
            self._fields += _coded(route.proxy_fields)
        self._path = path

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return a request whole. `path` begins with `/` and is quoted; a body is JSON.

        Raises:
            ValueError: `path` cannot stand in a request.
        """
        target = self._path + path.encode("ascii")
        if not _TARGET.fullmatch(target):
            raise ValueError("the path cannot stand in a request")
        head = b"%b %b HTTP/1.1\r\n%b" % (method.encode("ascii"), target, self._fields)
        if body is None:
            return head + b"\r\n"
        return b"%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


def _coded(fields: Iterable[tuple[str, str]]) -> bytes:
    coded = b"".join(b"%b: %b\r\n" % (name.encode("ascii"), value.encode("ascii")) for name, value in fields)
    if not _FIELDS.fullmatch(coded):
        raise ValueError("a header cannot be sent")
    return coded


@dataclass(frozen=True)
class Received:
    """An answer of any status. The body of one other than 2xx is empty if it did not come whole, or coded."""

    status: int
    fields: Fields
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: bytes) -> str | None:
        """Return a header's text, those of several separated by commas; the name is in small letters."""
        values = [value for each, value in self.fields if each == name]
        return b", ".join(values).decode("latin-1") if values else None


class _NoTimeError(Exception):
    pass


async def exchange(
    pool: Pool,
    request: bytes,
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
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            # Not a timeout at once, which would cancel whoever is about to read what lies there already.
            time_is_up = loop.call_later(
                deadline_seconds, lambda: limit.reschedule(loop.time() + late_seconds)
            )
            try:
                failure = await one.run(pool)
            finally:
                time_is_up.cancel()
    except TimeoutError:
        failure = one.out_of_time()
    received = one.received
    if received is not None and (failure is None or one.says_what_became_of_it(failure)):
        return received
    assert failure is not None  # noqa: S101 - without an answer there is one
    raise failure


class _Exchange:
    """One request under way, and how far it has come."""

    def __init__(self, request: bytes, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._request = request
        self._began_at = _seconds()
        self._is_sent = False
        self._answer = AnswerParser(most=MAX_BODY_BYTES)
        self._is_complete = False

    @property
    def received(self) -> Received | None:
        """What came; its body only if all of it did, and nothing after it."""
        head = self._answer.head
        if head is None:
            return None
        body = bytes(self._answer.body) if self._is_complete else b""
        return Received(head.status, head.fields, body)

    async def run(self, pool: Pool) -> CloudPressError | None:
        """Send and read; `received` is what came, what is returned how it failed."""
        try:
            # The wait for a free one, TCP and TLS each get a quarter: a connection that cannot be had fails
            # as NotSent before the whole time is over.
            connection = await pool.take(self._deadline_seconds / 4)
            try:
                await connection.settle()
                if _seconds() - self._began_at >= self._deadline_seconds:
                    return NotSent("no time was left to ask CloudPress", kind="no_time")
                self._is_sent = True
                connection.send(self._request)
                await connection.receive(self._answer)
                self._is_complete = True
            finally:
                pool.give_back(connection)
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

    def out_of_time(self) -> CloudPressError:
        """Say what it means that time is up."""
        if self._is_sent:
            return NoAnswer("CloudPress did not answer in time", kind="timeout")
        return NotSent("CloudPress could not be reached in time", kind="connect_timeout")

    def says_what_became_of_it(self, failure: CloudPressError) -> bool:
        """Tell whether the status says it, although the answer did not come whole."""
        head = self._answer.head
        return head is not None and not 200 <= head.status < 300 and failure.kind != "several_answers"

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
