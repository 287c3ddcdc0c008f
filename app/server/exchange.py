"""One request and its answer, between the connection that they share and the application (ASGI)."""

import asyncio
from typing import TYPE_CHECKING

import structlog
from starlette.types import ASGIApp, Message, Scope

from app.api.answers import Answer, Choose
from app.api.middleware.body_limit import WHOLE_BODY
from app.api.middleware.places import PLACE
from app.server.refusals import BROKEN, ENDING, refusal
from app.server.wire import (
    CONTINUE,
    LAST_CHUNK,
    PIECE_BYTES,
    AnswerHead,
    Headers,
    chunk,
    encode_head,
)
from app.telemetry.defects import where_raised

if TYPE_CHECKING:
    from app.server.protocol import HttpConnection

log = structlog.get_logger()
BODILESS = {204, 304}


class Exchange:
    """What the application receives of a request, and what it sends back.

    A body is handed on whole, or in pieces of more than 64 KiB: who sends it byte by byte wakes the
    application no more often than anybody else.
    """

    __slots__ = (
        "_chunked",
        "_event",
        "_expects_continue",
        "_head",
        "_is_given",
        "_is_head",
        "_left",
        "_may_chunk",
        "_scope",
        "body",
        "connection",
        "is_answered",
        "is_lost",
        "is_started",
        "is_whole",
        "keep_alive",
    )

    def __init__(
        self, connection: "HttpConnection", scope: Scope, *, keep_alive: bool, expects_continue: bool
    ) -> None:
        """Begin with nothing of the body."""
        self.connection = connection
        self._scope = scope
        self._is_head = scope["method"] == "HEAD"
        self._may_chunk = scope["http_version"] == "1.1"
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.is_whole = False
        """Whether the request has come whole."""
        self.is_lost = False
        """Whether nobody is there any more to be answered."""
        self.is_started = False
        self.is_answered = False
        self._expects_continue = expects_continue
        self._is_given = False
        self._chunked = False
        # Bytes of the answer that are still to come, where its length was told.
        self._left: int | None = None
        self._event: asyncio.Event | None = None
        self._head = b""

    @property
    def transport(self) -> asyncio.Transport:
        """What is under the connection, for an answer that has to cut it off."""
        return self.connection.transport

    def chosen(self, choose: Choose, app: ASGIApp) -> ASGIApp:
        """Return what is to answer by an application's choice, or the whole application should that break."""
        try:
            return choose(self._scope)
        except Exception:  # noqa: BLE001 - it breaks again where it is told of
            return app

    def answer(self, answer: Answer) -> None:
        """Give an answer that is known, unless nobody is there any more."""
        if self.is_lost:
            return
        try:
            self._encode(answer.status, answer.headers)
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            self._break_off(where_raised(error))
            return
        body = b"" if self._is_head else answer.body
        if self._left != len(body):
            self._break_off("an answer that was known at once is not as long as it tells")
            return
        head, self._head = self._head, b""
        self.connection.write(head + body)
        self.is_answered = True
        self.connection.answered()

    async def run(self, app: ASGIApp) -> None:
        """Have the application answer; what escapes it or is left undone closes the connection."""
        # The scope knows how this one's body is taken. Handed to the application and kept no longer, the two
        # end with their last use: as a cycle, every request would be left to the garbage collector.
        scope, self._scope = self._scope, {}
        scope["extensions"] = {WHOLE_BODY: self.take_whole, PLACE: self.connection}
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            # The process ends, and whether what was asked for is done is not known.
            self._give_up(refusal(ENDING))
            raise
        except ConnectionAbortedError:
            self.transport.abort()  # told where it was raised
        except Exception as error:  # noqa: BLE001 - its text may hold anything
            self._break_off(where_raised(error))
        else:
            if not self.is_answered and not self.is_lost:
                self._break_off("the application gave no whole answer")

    def _break_off(self, why: str) -> None:
        log.error("exchange_broken", error=why)
        self._give_up(refusal(BROKEN))

    def _give_up(self, answer: bytes) -> None:
        if self.is_answered or self.is_lost:
            return
        if self.is_started:
            self.transport.abort()  # half an answer is out: only the connection can tell
            return
        self.is_started = self.is_answered = True
        self.keep_alive = False
        self.connection.write(answer)
        self.connection.answered()

    def take(self, body: bytes) -> None:
        """Take more of the body."""
        self.body += body
        if len(self.body) > PIECE_BYTES:
            self.wake()

    def complete(self) -> None:
        """Take note that the request has come whole."""
        self.is_whole = True
        self.wake()

    def lose(self) -> None:
        """Take note that the client is gone."""
        self.is_lost = True
        self.wake()

    def wake(self) -> None:
        """Have the application look again."""
        if self._event is not None:
            self._event.set()

    def take_whole(self) -> bytes | None:
        """Return the body if the request has come whole and it was not given yet, None otherwise."""
        if not self.is_whole or self._is_given or self.is_lost or self.is_answered:
            return None
        self._is_given = True
        body, self.body = bytes(self.body), bytearray()
        return body

    async def receive(self) -> Message:
        """Return the body or a piece of it; once it is given, return when the client is gone or answered."""
        if self._expects_continue:
            self._expects_continue = False
            if not self.is_started and not self.is_lost:
                self.connection.write(CONTINUE)
        while not self.is_lost and not self.is_answered:
            whole = self.take_whole()
            if whole is not None:
                return {"type": "http.request", "body": whole, "more_body": False}
            if len(self.body) > PIECE_BYTES:
                body, self.body = bytes(self.body), bytearray()
                return {"type": "http.request", "body": body, "more_body": True}
            self.connection.resume_body()
            self._event = asyncio.Event()
            if self.is_whole:
                await self._event.wait()
            else:
                await self.connection.body_comes(self._event)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send the answer's head, or a piece of its body.

        Raises:
            RuntimeError: this message does not belong here, or the answer is not as long as its head says.
        """
        connection = self.connection
        if connection.is_write_paused:
            await connection.drained()
        if self.is_lost:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.is_started:
            self._start(message)
        elif kind == "http.response.body" and self.is_started and not self.is_answered:
            await self._send_body(message.get("body", b""))
            if not message.get("more_body", False) and not self.is_lost:
                self._finish()
        else:
            raise RuntimeError(f"{kind} at the wrong time")

    def _start(self, message: Message) -> None:
        self._encode(message["status"], message.get("headers", ()))
        # Sent with what follows at once, or else alone.
        self.connection.loop.call_soon(self._send_head)

    def _encode(self, status: int, headers: Headers) -> None:
        self.is_started = True
        self._expects_continue = False
        bodiless = status in BODILESS or self._is_head
        # What is left of the request is not waited for: see `HttpConnection.answered`.
        keep_alive = self.keep_alive and self.is_whole and not self.connection.is_last
        head = AnswerHead(status, headers, keep_alive=keep_alive)
        encoded = encode_head(
            head,
            self.connection.default_headers,
            bodiless=bodiless,
            may_chunk=self._may_chunk,
        )
        self.keep_alive = encoded.keep_alive
        self._chunked = encoded.chunked
        self._left = 0 if bodiless else encoded.length
        self._head = encoded.data

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head:
            self.connection.write(head)

    async def _send_body(self, body: bytes) -> None:
        if self._is_head or not body:
            return
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the answer is longer than its Content-Length")
        if len(body) <= PIECE_BYTES:
            head, self._head = self._head, b""
            self.connection.write(head + (chunk(body) if self._chunked else body))
            return
        self._send_head()
        # No more of an answer waits for a client that does not read than one piece.
        whole = memoryview(body)
        for begin in range(0, len(body), PIECE_BYTES):
            if self.connection.is_write_paused:
                await self.connection.drained()
            if self.is_lost:
                return
            piece = whole[begin : begin + PIECE_BYTES]
            self.connection.write(chunk(bytes(piece)) if self._chunked else piece)

    def _finish(self) -> None:
        if self._left:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self._send_head()
        if self._chunked:
            self.connection.write(LAST_CHUNK)
        self.is_answered = True
        self.wake()
        self.connection.answered()
