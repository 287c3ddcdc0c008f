"""A provider around another one (the decorator pattern): each request passes through one method."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.cloudpress import (
    About,
    Answer,
    OrderDetails,
    OrderSummary,
    Placed,
    Site,
    SiteOrder,
    Task,
)
from app.cloudpress.protocol import Provider

T = TypeVar("T")


class ProviderDecorator(ABC):
    """A provider that hands every request to another one, through `_through`."""

    def __init__(self, provider: Provider) -> None:
        """Ask `provider`."""
        self._provider = provider

    @abstractmethod
    async def _through(self, operation: str, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        """Make a request of the decorated provider, or don't. `operation` is a word for its kind."""

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]:
        """Ask what can be ordered."""
        return await self._through("about", lambda: self._provider.about(timeout_seconds=timeout_seconds))

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List a page of the account's orders."""
        return await self._through(
            "list", lambda: self._provider.orders(page=page, timeout_seconds=timeout_seconds)
        )

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Read an order."""
        return await self._through(
            "order", lambda: self._provider.order(order_id, timeout_seconds=timeout_seconds)
        )

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Read a task."""
        return await self._through(
            "task", lambda: self._provider.task(task_id, timeout_seconds=timeout_seconds)
        )

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Read a site."""
        return await self._through(
            "site", lambda: self._provider.site(site_id, timeout_seconds=timeout_seconds)
        )

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]:
        """Order a site."""
        return await self._through(
            "place",
            lambda: self._provider.place(
                site,
                callback_url=callback_url,
                callback_authorization=callback_authorization,
                timeout_seconds=timeout_seconds,
            ),
        )

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order."""
        return await self._through(
            "cancel", lambda: self._provider.cancel(order_id, timeout_seconds=timeout_seconds)
        )
