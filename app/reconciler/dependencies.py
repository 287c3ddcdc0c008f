"""What a pass works with, wired once when the service starts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.cloudpress import (
    CloudPressError,
    Refused,
)
from app.cloudpress.protocol import Provider
from app.db.database import Database
from app.db.models import Order
from app.queue.leases import Claim
from app.schedule import Schedule
from app.states import Trouble

PASS_SHARE_OF_LEASE = 0.75


class CallbackSigner(Protocol):
    """Makes the `Authorization` value of an order's callback."""

    key_id: str

    def authorization(self, order_id: UUID) -> str: ...


@dataclass(frozen=True)
class Dependencies:
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


def time_left_seconds(dependencies: Dependencies, claim: Claim[Order]) -> float:
    """Return what remains of the part of the lease in which a pass may ask CloudPress."""
    return claim.seconds_left() - (1 - PASS_SHARE_OF_LEASE) * dependencies.lease_seconds
