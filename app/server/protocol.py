"""HTTP/1.1 as uvicorn speaks it, with an end to waiting for the head of a request.

uvicorn ends a connection that is idle between two requests, and the service a body that drips
(`app/api/limits.py`). Who sends half of a head would hold a connection for ever.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0


class TimedHeads(H11Protocol):
    """Closes a connection whose request head has not come whole within 30 s; dripping gives no more time."""

    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take what has come; begin to wait for a head that has begun, or cease if it is whole."""
        super().data_received(data)
        if self._awaits_head():
            self._expect_head()
        else:
            self._forget_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._forget_head()
        super().connection_lost(exc)

    def _awaits_head(self) -> bool:
        # A body that goes on after its answer is read by nobody but uvicorn, which takes all the time of the
        # world. (Each piece ends the wait for the next request, too.)
        is_answered = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        return self.conn.their_state is h11.IDLE or is_answered

    def _expect_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _forget_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _give_up(self) -> None:
        # Not `close`, which would wait until the client has taken the answer before.
        self.transport.abort()
