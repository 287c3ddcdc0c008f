"""CloudPress, measured: how long each request takes and how it ends."""

import time
from collections.abc import Awaitable
from typing import TypeVar

from app.cloudpress import (
    About,
    Answer,
    BadAnswer,
    NotFound,
    NotSent,
    OrderDetails,
    OrderSummary,
    Placed,
    Refused,
    Site,
    SiteOrder,
    Task,
)
from app.cloudpress.protocol import Provider
from app.telemetry.metrics import Metrics

T = TypeVar("T")


def _outcome(error: Exception) -> str:
    match error:
        case NotSent():
            return "not_sent"
        case NotFound():
            return "not_found"
        case Refused():
            return f"refused_{error.status // 100}xx"
        case BadAnswer():
            return "bad_answer"
        case _:
            return "no_answer"


class Measured:
    """A provider whose requests are counted."""

    def __init__(self, provider: Provider, metrics: Metrics) -> None:
        """Ask `provider`, and tell `metrics`."""
        self._provider = provider
        self._metrics = metrics

    async def _timed(self, operation: str, request: Awaitable[Answer[T]]) -> Answer[T]:
        began = time.monotonic()
        outcome = "cut_off"
        try:
            answer = await request
        except Exception as error:
            outcome = _outcome(error)
            raise
        else:
            outcome = "ok"
            return answer
        finally:
            self._metrics.provider(operation, outcome, time.monotonic() - began)

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]:
        """Ask what can be ordered."""
        return await self._timed("about", self._provider.about(timeout_seconds=timeout_seconds))

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List a page of the account's orders."""
        return await self._timed("list", self._provider.orders(page=page, timeout_seconds=timeout_seconds))

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Read an order."""
        return await self._timed("order", self._provider.order(order_id, timeout_seconds=timeout_seconds))

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Read a task."""
        return await self._timed("task", self._provider.task(task_id, timeout_seconds=timeout_seconds))

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Read a site."""
        return await self._timed("site", self._provider.site(site_id, timeout_seconds=timeout_seconds))

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]:
        """Order a site."""
        request = self._provider.place(
            site,
            callback_url=callback_url,
            callback_authorization=callback_authorization,
            timeout_seconds=timeout_seconds,
        )
        return await self._timed("place", request)

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order."""
        return await self._timed("cancel", self._provider.cancel(order_id, timeout_seconds=timeout_seconds))
