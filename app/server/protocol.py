"""HTTP/1.1 on one connection: what is parsed of it, for how long it is waited for, and when no more is read.

The bytes are parsed by httptools (llhttp, which is Node's). uvicorn starts and ends the server; the protocol
is ours, since one client must not be able to slow down the others, whatever it sends or leaves unread:

- the head of a request has to come whole within 30 s and 64 KiB, and dripping gives no more time;
- nothing is read on after an answer that left a body unread;
- of requests that are sent before the answers to those before them are read (pipelining), few are parsed;
- a body in tiny pieces wakes the application once (`exchange.py`), and may not be mostly framing;
- who takes nothing of what it is sent for 30 s is cut off (`crowd.py`).
"""

import asyncio
from collections import deque
from contextvars import Context
from typing import Any

import httptools
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from app.api.answers import Answer, Choose
from app.server.crowd import Crowd
from app.server.exchange import Exchange
from app.server.heads import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_TARGET_BYTES,
    RefusedError,
    expects_continue,
    of_target,
)
from app.server.refusals import OVERFULL, UNREADABLE, refusal
from app.server.wire import PIECE_BYTES

# How much is parsed at a time: a client that pipelines has no more requests waiting here than fit into it.
SLICE_BYTES = 2 * 1024
# How many bytes of framing (chunk headers, extensions, trailers) there may be for each byte of a body.
FRAMING_BYTES = 16
# After an answer that left a body unread so much is still taken in, unparsed, for so long: a connection that
# is closed at once takes the answer from a client that still sends.
LINGER_BYTES = 1024 * 1024
FRAMING = {b"content-length", b"transfer-encoding"}


class HttpConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        crowd: Crowd,
    ) -> None:
        """Prepare to serve `config`'s application; `crowd` watches over all connections of the server."""
        self._app: ASGIApp = config.loaded_app
        self._choose: Choose | None = getattr(self._app, "choose", None)
        self._root_path = config.root_path
        self._app_state = app_state
        self._server_state = server_state
        self._crowd = crowd
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until `connection_made`
        self._server: tuple[str, int | None] | None = None
        self._client: tuple[str, int] | None = None
        # What was written so far; less what still waits in the transport it is what the client has taken.
        self.written_bytes = 0
        self.is_write_paused = False
        self._drained: asyncio.Event | None = None
        self._is_read_paused = False
        self._parser = self._new_parser()
        self._skipped_body = b""
        """How the body is framed of a request whose head asks for an upgrade: httptools skips it."""
        self._is_framing = False
        """Whether a parser is being given a head that came before."""
        # The request that is being read or answered, and those that were sent ahead.
        self._exchange: Exchange | None = None
        self._ahead: deque[Exchange] = deque()
        self._unparsed = b""
        self._refusal: int | None = None
        """With which status to end once what was asked before is answered."""
        self._is_ending = False
        self._lingered_bytes: int | None = None
        # Of the request whose head or body is being read.
        self._reading: Exchange | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # What has come of it: all, decoded headers, decoded body.
        self._read_bytes = 0
        self._head_bytes = 0
        self._body_bytes = 0
        self._in_head = False

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Requests that follow one after which the connection closes are dropped, and that one is answered.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer carries."""
        return self._server_state.default_headers

    @property
    def is_last(self) -> bool:
        """Whether an answer that begins now is the last one: the server ends."""
        return self._crowd.is_parting

    # What the transport calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head, unless there are too many connections."""
        self.transport = transport
        self._server, self._client = get_local_addr(transport), get_remote_addr(transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        if self._crowd.admit(self):
            self._crowd.expects_head(self)
        else:
            self._is_ending = True
            self.write(refusal(OVERFULL))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._server_state.connections.discard(self)
        self._crowd.leave(self)
        self._is_ending = True
        self._unparsed = b""
        self._ahead.clear()
        for exchange in {self._exchange, self._reading} - {None}:
            exchange.lose()  # type: ignore[union-attr]
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        if self._is_ending:
            self._linger(data)
            return
        if self._unparsed:
            self._unparsed += data
        else:
            self._parse(data)

    def eof_received(self) -> None:
        """Have the transport close, as it does by itself."""

    def pause_writing(self) -> None:
        """Have answers wait until the client has taken some."""
        self.is_write_paused = True

    def resume_writing(self) -> None:
        """Have answers go on."""
        self.is_write_paused = False
        if self._drained is not None:
            self._drained.set()
            self._drained = None
        self._next()

    # What the server calls

    def shutdown(self) -> None:
        """End as soon as the request is answered that is being answered."""
        if self._exchange is None or self._exchange.is_answered:
            self._is_ending = True
            self.transport.close()
        else:
            self._exchange.keep_alive = False

    # What exchanges call

    def write(self, data: bytes | memoryview) -> None:
        """Send, or queue to be sent."""
        if self.transport.is_closing():
            return
        self.written_bytes += len(data)
        self.transport.write(data)
        self._crowd.wrote(self)

    async def drained(self) -> None:
        """Wait until the client has taken some of what waits for it, or is gone."""
        while self.is_write_paused and not self.transport.is_closing():
            if self._drained is None:
                self._drained = asyncio.Event()
            await self._drained.wait()

    @property
    def places(self) -> int:
        """How many connections there may be."""
        return self._crowd.most

    def offer(self) -> None:
        """Let this connection go, unanswered, where there are too many."""
        self._crowd.is_offered(self)

    def keep(self) -> None:
        """Let it be answered again."""
        self._crowd.is_kept(self)

    async def body_comes(self, more: asyncio.Event) -> None:
        """Wait for more of a body; where there are too many connections, this one may go meanwhile."""
        self._crowd.expects_body(self)
        try:
            await more.wait()
        finally:
            self._crowd.has_body(self)

    def resume_body(self) -> None:
        """Read on in a body, which the application waits for."""
        if not self._is_ending:
            self._read_on()

    def answered(self) -> None:
        """Go on after an answer: with the next request, or to the end of the connection."""
        self._server_state.total_requests += 1
        exchange = self._exchange
        if exchange is None or self.transport.is_closing():
            return
        if not exchange.is_whole:
            self._part()  # whatever else comes of this request would be read for nothing
        elif not exchange.keep_alive:
            self._end()
        else:
            self._next()

    def _end(self) -> None:
        self._is_ending = True
        self._unparsed = b""
        self._ahead.clear()
        self.transport.close()

    def _part(self) -> None:
        """Close from this side, and for a while wait for the other: it may still be sending."""
        self._is_ending = True
        self._unparsed = b""
        self._ahead.clear()
        self._lingered_bytes = 0
        self._crowd.lingers(self)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._resume_reading()

    def _linger(self, data: bytes) -> None:
        if self._lingered_bytes is None:
            return
        self._lingered_bytes += len(data)
        if self._lingered_bytes > LINGER_BYTES:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if not self._is_read_paused and not self.transport.is_closing():
            self._is_read_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_read_paused and not self.transport.is_closing():
            self._is_read_paused = False
            self.transport.resume_reading()

    # Requests, one after the other

    def _parse(self, data: bytes) -> None:
        """Parse slice by slice, as long as no request is sent ahead."""
        begin = 0
        while begin < len(data) and not self._is_ending and self._refusal is None:
            if self._ahead:
                self._unparsed = data[begin:]
                self._pause_reading()
                return
            begin += self._feed(data[begin : begin + SLICE_BYTES])
        if self._in_head:
            self._wait()

    def _read_on(self) -> None:
        """Parse what waits, and take in more once nothing does."""
        if self._unparsed and not self._ahead:
            unparsed, self._unparsed = self._unparsed, b""
            self._parse(unparsed)
        if not self._unparsed and self._refusal is None:
            self._resume_reading()

    def _feed(self, part: bytes) -> int:
        """Parse a slice; return how much of it was."""
        self._read_bytes += len(part)
        try:
            self._parser.feed_data(part)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing is upgraded here: the request is answered as it is, and so is what follows.
            taken = int(upgrade.args[0]) or len(part)
            self._read_bytes -= len(part) - taken
            if self._skipped_body and not self._parse_skipped_body():
                self._refuse(400)
            return taken
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(refused.status if isinstance(refused, RefusedError) else 400)
            return len(part)
        if self._in_head and self._read_bytes > MAX_HEAD_BYTES:
            self._refuse(431)
        elif self._reading is not None and self._is_mostly_framing():
            self._refuse(400)
        return len(part)

    def _parse_skipped_body(self) -> bool:
        """Have a body parsed that httptools takes for the next request, since its head asks for an upgrade.

        A parser of its own does that, and goes on with what follows: first it is given a head that frames the
        same body, of which nobody is told. Returns False if it cannot be framed so.
        """
        framing, self._skipped_body = self._skipped_body, b""
        self._parser = self._new_parser()
        self._is_framing = True
        try:
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        except httptools.HttpParserError:
            return False
        finally:
            self._is_framing = False
        return True

    def _is_mostly_framing(self) -> bool:
        return self._read_bytes > MAX_HEAD_BYTES + PIECE_BYTES + FRAMING_BYTES * self._body_bytes

    def _refuse(self, status: int) -> None:
        """Refuse what cannot be read, once what was asked before is answered. Nothing more is parsed."""
        self._refusal = status
        self._unparsed = b""
        self._in_head = False
        if self._reading is not None and self._reading is not self._exchange:
            self._ahead.pop()  # its body cannot be read
        elif self._reading is not None:
            if self._reading.is_started:
                self.transport.abort()  # half an answer is out: only the connection can tell
            self._reading.lose()
            self._exchange = None
        self._reading = None
        self._pause_reading()
        self._next()

    def _next(self) -> None:
        """Begin with the next request, unless one is being answered or the client does not read."""
        if self._is_ending or self.is_write_paused or self.transport.is_closing():
            return
        if self._exchange is not None and not self._exchange.is_answered:
            return
        if self._ahead:
            self._begin(self._ahead.popleft())
            self._read_on()
            return
        if self._refusal is not None:
            self.write(refusal(UNREADABLE[self._refusal]))
            self._part()
            return
        self._exchange = None
        self._read_on()
        self._wait()

    def _wait(self) -> None:
        """Have it be known for how long the next request is waited for, if none is being answered."""
        if self._exchange is None and not self._is_ending:
            (self._crowd.expects_head if self._in_head else self._crowd.idles)(self)

    def _begin(self, exchange: Exchange) -> None:
        """Have a request answered, without a task where nothing has to be waited for.

        Not right here: who sends many, or has many connections, waits with everybody else.
        """
        self._exchange = exchange
        app = self._app if self._choose is None else exchange.chosen(self._choose, self._app)
        if isinstance(app, Answer):
            self.loop.call_soon(exchange.answer, app)
            return
        # The answer before it may begin it, in a context that knows whose that one was.
        task = self.loop.create_task(exchange.run(app), context=Context())
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin with a head."""
        if self._is_framing:
            return
        self._url = b""
        self._headers = []
        self._read_bytes = self._head_bytes = self._body_bytes = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        self._url += url
        if len(self._url) > MAX_TARGET_BYTES:
            raise RefusedError(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Those after a body are nobody's concern."""
        if self._in_head:
            self._head_bytes += len(name) + len(value) + 4
            if self._head_bytes > MAX_HEAD_BYTES or len(self._headers) == MAX_HEADERS:
                raise RefusedError(431)
            self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        if self._is_framing:
            return
        parser = self._parser
        version = parser.get_http_version()
        is_continue_expected = expects_continue(version, self._headers)
        self._in_head = False
        if parser.should_upgrade():
            self._skipped_body = b"".join(
                b"%b: %b\r\n" % header for header in self._headers if header[0] in FRAMING
            )
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": self._server,
            "client": self._client,
            "scheme": "http",
            "method": parser.get_method().decode("ascii"),
            **of_target(self._url, self._root_path),
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        exchange = Exchange(
            self,
            scope,
            keep_alive=version == "1.1" and parser.should_keep_alive(),
            expects_continue=is_continue_expected,
        )
        self._reading = exchange
        self._crowd.is_busy(self)
        if self._exchange is None and not self._ahead and not self.is_write_paused:
            self._begin(exchange)
        else:
            self._ahead.append(exchange)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, and no more than the application reads."""
        if self._reading is None or self._reading.is_answered:
            return
        self._body_bytes += len(body)
        self._reading.take(body)
        if len(self._reading.body) > PIECE_BYTES:
            self._pause_reading()

    def on_message_complete(self) -> None:
        """Take note that a request has come whole."""
        if self._skipped_body:
            return
        if self._reading is not None:
            self._reading.complete()
            self._reading = None
