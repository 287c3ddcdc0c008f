"""The rate limit of each API key: a token bucket per key, kept in this process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems.kinds import rate_limited
from app.config.rates import Rate

POLICY = "default"


@dataclass
class _Bucket:
    left: float
    at: float


class RateLimiter:
    """Counts by key, never by address: nobody can lock anyone else out.

    A bucket holds what the rate grants, and fills evenly. The headers are those of the IETF's draft
    "RateLimit header fields for HTTP".
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Grant each key `rate`."""
        self.rate = rate
        self._clock = clock
        # One for each key that was let in, of which there are few.
        self._buckets: dict[str, _Bucket] = {}

    def take(self, identity: str) -> tuple[bool, int, int]:
        """Take one request.

        Returns whether it is granted, how many are left, and in how many seconds there is one more, or
        all again where some are left.
        """
        rate, now = self.rate, self._clock()
        bucket = self._buckets.setdefault(identity, _Bucket(rate.requests, now))
        per_second = rate.requests / rate.seconds
        bucket.left = min(rate.requests, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        if bucket.left < 1:
            return False, 0, max(1, math.ceil((1 - bucket.left) / per_second))
        bucket.left -= 1
        return True, int(bucket.left), math.ceil((rate.requests - bucket.left) / per_second)

    async def pass_on(self, identity: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer, or answer 429; tell the limit in both."""
        granted, left, seconds = self.take(identity)
        headers = {
            "RateLimit-Policy": f'"{POLICY}";q={self.rate.requests};w={self.rate.seconds}',
            "RateLimit": f'"{POLICY}";r={left};t={seconds}',
        }
        if not granted:
            problem = rate_limited(self.rate.requests, self.rate.seconds, wait_seconds=seconds)
            problem.headers = {**(problem.headers or {}), **headers}
            await problem.response()(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await app(scope, receive, telling)
