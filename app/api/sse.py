"""Server-Sent Events: an answer that goes on for as long as somebody reads it.

It ends when the client leaves, falls too far behind, is let in no more, or when the service stops. In all
cases but the first the client comes back with `Last-Event-ID` and misses nothing.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import lru_cache

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.api.admission import Admission
from app.api.bodies.events import EventBody
from app.api.middleware.places import Shares, places_of
from app.api.middleware.severable import cut_off_in
from app.api.problems.kinds import too_many_streams
from app.api.problems.problem import Problem
from app.db.errors import DATABASE_AWAY
from app.events.feed import Feed, Subscription
from app.events.reading import Happened, Interest
from app.keys.authentication import KeyRefusedError
from app.orders.lifecycle_events import FINAL_EVENTS

EVENT_STREAM = "text/event-stream"
# How soon a client comes back; browsers take this as their own setting.
RETRY_MILLISECONDS = 1000
# A client that reads nothing cannot be told that this is the end: so long after it, it is cut off.
LAST_WORD_SECONDS = 0.5
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}

log = structlog.get_logger()


class EventStream(Response):
    """A stream of what is of interest, after event `after` (None: from now on)."""

    media_type = EVENT_STREAM

    def __init__(
        self,
        feed: Feed,
        interest: Interest,
        admission: Admission,
        *,
        after: int | None,
        heartbeat_seconds: float,
        is_over: bool,
        shares: Shares,
    ) -> None:
        """Prepare; `is_over` says that nothing more is to be waited for after what is stored.

        `shares` counts what each key has open.
        """
        super().__init__(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}
        )
        del self.headers["content-length"]
        self._feed = feed
        self._interest = interest
        self._admission = admission
        self._after = after
        self._heartbeat_seconds = heartbeat_seconds
        self._is_over = is_over
        self._shares = shares

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one of the reasons to end.

        Raises:
            KeyRefusedError: the key was revoked before the feed was listened to, which ends no subscription.
            Problem: 429, the key has as many streams open as it may.
        """
        identity, places = self._admission.grant.identity, places_of(scope)
        with self._shares.taken(identity, places) as is_granted:
            if not is_granted:
                raise too_many_streams(int(self._shares.most(identity, places)))
            await self._stream(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        key_id = self._admission.grant.key_id
        async with self._feed.subscribe(self._interest, key_id=key_id) as subscription:
            if key_id is not None:
                await self._admission.check()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            left = asyncio.create_task(_left(receive))
            writing = asyncio.create_task(self._write(subscription, send))
            ended = asyncio.create_task(subscription.ended.wait())
            tasks = (left, writing, ended)
            try:
                lasts_seconds = self._admission.grant.lasts_seconds
                await asyncio.wait(tasks, timeout=lasts_seconds, return_when=asyncio.FIRST_COMPLETED)
                # What the writer did not foresee is the request's defect.
                is_over = left.done() or (writing.done() and writing.result())
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if not is_over:
            cut_off_in(scope, LAST_WORD_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await send(END)

    async def _write(self, subscription: Subscription, send: Send) -> bool:
        """Write all that there is to tell; return False if the stream had to be given up."""
        try:
            check_at = self._next_check()
            async with aclosing(self._chunks(subscription)) as chunks:
                async for chunk in chunks:
                    if time.monotonic() >= check_at:
                        await self._admission.check()
                        check_at = self._next_check()
                    await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
        except (Problem, KeyRefusedError, *DATABASE_AWAY) as error:
            log.info("stream_ended", error=type(error).__name__)
            return False
        if subscription.ended.is_set():
            return False
        await send(END)
        return True

    def _next_check(self) -> float:
        """Return when the key is looked at again: before anything is told after its end, too."""
        lasts_seconds = self._admission.grant.lasts_seconds
        wait_seconds = self._heartbeat_seconds
        if lasts_seconds is not None:
            wait_seconds = min(wait_seconds, lasts_seconds)
        return time.monotonic() + wait_seconds

    async def _chunks(self, subscription: Subscription) -> AsyncGenerator[str]:
        """Yield the stream's text. One order's ends with its final status."""
        # The id is where a client comes back to that is cut off before anything has happened.
        begins = f"id: {subscription.begins_after}\n" if self._after is None else ""
        yield f"retry: {RETRY_MILLISECONDS}\n{begins}\n"
        interest = subscription.interest
        if self._is_over:
            stored = self._feed.backlog(interest, self._after or 0, subscription.begins_after)
            async for happened in stored:
                yield as_text(happened)
            return
        following = self._feed.follow(
            subscription, after=self._after, heartbeat_seconds=self._heartbeat_seconds
        )
        async for each in following:
            yield ": still here\n\n" if each is None else as_text(each)
            if each is not None and interest.order_id is not None and each.type in FINAL_EVENTS:
                return


@lru_cache(maxsize=1000)
def as_text(happened: Happened) -> str:
    """Return an event as the stream tells it: the same text for all who listen."""
    document = EventBody.of(happened).model_dump_json()
    return f"id: {happened.id}\nevent: {happened.type}\ndata: {document}\n\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
