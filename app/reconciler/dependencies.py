"""What every pass works with, wired once when the service starts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol
from uuid import UUID

from app.cloudpress.protocol import Provider
from app.db.database import Database
from app.reconciler.provider_clock import ProviderClock
from app.reconciler.writing import Writing
from app.schedule import Schedule

# The part of a lease in which a pass may ask CloudPress.
SHARE_OF_LEASE = 0.75


class CallbackSigner(Protocol):
    """Makes the `Authorization` value of an order's callback."""

    key_id: str

    def authorization(self, order_id: UUID) -> str: ...

    def authorizations(self, order_id: UUID) -> tuple[str, ...]: ...


Providers = Callable[[str], Awaitable[Provider]]


@dataclass(frozen=True)
class Dependencies:
    """What a pass works with. `providers` raises `accounts.UnknownAccountError`."""

    db: Database
    providers: Providers
    callback_signer: CallbackSigner
    public_url: str
    schedule: Schedule
    lease_seconds: float
    upstream_timeout_seconds: float
    placing: bool = True
    """Whether orders are sent at all (PLACING)."""
    may_place_again: bool = True
    """Whether an order that surely is nowhere is sent again without a person (PLACE_AGAIN)."""
    provider_clock: ProviderClock = field(default_factory=ProviderClock)

    measure_batch: Callable[[int, float], None] | None = None
    """Told of each transaction of passes how many steps it held, and how many seconds it took."""

    @property
    def lease_reserve_seconds(self) -> float:
        """What of a lease is not for asking CloudPress; a pass waits for its turn as long at most."""
        return (1 - SHARE_OF_LEASE) * self.lease_seconds

    @cached_property
    def writing(self) -> Writing:
        """What all passes write with."""
        return Writing(self.db, measure=self.measure_batch)

    def callback_url(self, order_id: UUID) -> str:
        """Return where CloudPress calls back for an order."""
        return f"{self.public_url}/v1/callbacks/{order_id}"
