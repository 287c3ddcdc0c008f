"""What the service needs of CloudPress under one account; `CloudPress` and its circuit breaker offer it."""

from typing import Protocol

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


class Provider(Protocol):
    """CloudPress under one account, as `app.cloudpress.CloudPress` implements it."""

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]: ...

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]: ...

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]: ...

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]: ...

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]: ...

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]: ...

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]: ...
