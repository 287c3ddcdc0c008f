"""One slow probe at a time while CloudPress is down, instead of every order waiting for its own timeout.

Other requests fail at once as not sent, so their orders back off with jitter and come back one by one. How
many requests an account can have open at a time is bounded by the reconciler's slots.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.cloudpress import (
    About,
    Answer,
    NoAnswer,
    NotSent,
    OrderDetails,
    OrderSummary,
    Placed,
    Site,
    SiteOrder,
    Task,
)
from app.cloudpress.protocol import Provider

T = TypeVar("T")


class CircuitBreaker:
    """A provider that, once it did not answer, is asked by one request at a time until it answers again."""

    def __init__(self, provider: Provider) -> None:
        """Ask `provider`."""
        self._provider = provider
        self._down = False
        self._probing = False

    async def _ask(self, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
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

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]:
        """Ask what can be ordered."""
        return await self._ask(lambda: self._provider.about(timeout_seconds=timeout_seconds))

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List a page of the account's orders."""
        return await self._ask(lambda: self._provider.orders(page=page, timeout_seconds=timeout_seconds))

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Read an order."""
        return await self._ask(lambda: self._provider.order(order_id, timeout_seconds=timeout_seconds))

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Read a task."""
        return await self._ask(lambda: self._provider.task(task_id, timeout_seconds=timeout_seconds))

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Read a site."""
        return await self._ask(lambda: self._provider.site(site_id, timeout_seconds=timeout_seconds))

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]:
        """Order a site."""
        return await self._ask(
            lambda: self._provider.place(
                site,
                callback_url=callback_url,
                callback_authorization=callback_authorization,
                timeout_seconds=timeout_seconds,
            )
        )

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order."""
        return await self._ask(lambda: self._provider.cancel(order_id, timeout_seconds=timeout_seconds))
