"""What a pass works with, wired once when the service starts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.cloudpress import (
    About,
    Answer,
    CloudPressError,
    OrderDetails,
    OrderSummary,
    Placed,
    Refused,
    Site,
    SiteOrder,
    Task,
)
from app.db import Database
from app.leases import Claim
from app.models import Order
from app.schedule import Schedule
from app.states import Trouble

PASS_SHARE_OF_LEASE = 0.75


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


class CallbackSigner(Protocol):
    """Makes the `Authorization` value of an order's callback."""

    key_id: str

    def authorization(self, order_id: UUID) -> str: ...


@dataclass(frozen=True)
class Surroundings:
    """What a pass works with. `providers` raises `accounts.UnknownAccountError`."""

    db: Database
    providers: Callable[[str], Awaitable[Provider]]
    callback_signer: CallbackSigner
    public_url: str
    schedule: Schedule
    lease_seconds: float
    upstream_timeout_seconds: float
    placing: bool = True

    def callback_url(self, order_id: UUID) -> str:
        """Return where CloudPress calls back for an order."""
        return f"{self.public_url}/v1/callbacks/{order_id}"


def trouble_of(error: CloudPressError) -> Trouble:
    """Return what of a failed request bears on a decision."""
    status = error.status if isinstance(error, Refused) else None
    return Trouble(error.kind, status=status, retry_after_seconds=error.retry_after_seconds)


def time_left_seconds(world: Surroundings, claim: Claim[Order]) -> float:
    """Return what remains of the part of the lease in which a pass may ask CloudPress."""
    return claim.seconds_left() - (1 - PASS_SHARE_OF_LEASE) * world.lease_seconds
