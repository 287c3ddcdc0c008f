"""One slow probe at a time while CloudPress is down, instead of every order waiting for its own timeout.

Other requests fail at once as not sent, so their orders back off with jitter and come back one by one. How
many requests an account can have open at a time is bounded by the reconciler's slots.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.cloudpress import Answer, NoAnswer, NotSent
from app.cloudpress.decorator import ProviderDecorator
from app.cloudpress.protocol import Provider

T = TypeVar("T")


class CircuitBreaker(ProviderDecorator):
    """A provider that, once it did not answer, is asked by one request at a time until it answers again."""

    def __init__(self, provider: Provider) -> None:
        """Ask `provider`."""
        super().__init__(provider)
        self._down = False
        self._probing = False

    async def _through(self, operation: str, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        if not self._down:
            return await self._watched(request)
        if self._probing:
            raise NotSent("CloudPress does not answer, and another request probes it", kind="held_back")
        self._probing = True
        try:
            return await self._watched(request)
        finally:
            self._probing = False

    async def _watched(self, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        try:
            answer = await request()
        except (NotSent, NoAnswer):
            self._down = True
            raise
        except Exception:
            # Whatever it said, it answered; or the fault is ours.
            self._down = False
            raise
        self._down = False
        return answer
