"""What requests work with, wired once when the service starts."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Annotated, Protocol, cast
from uuid import UUID

from fastapi import Depends, Request

from app.accounts.told import ToldOrder
from app.api.middleware.places import Shares
from app.api.problems.problem import Problem
from app.config.settings import Settings
from app.db.database import Database
from app.events.feed import Feed
from app.orders.intake import OrderIntake
from app.orders.reading import OrderView
from app.orders.representation import OrderBody
from app.queue.heartbeats import Heartbeats
from app.queue.signals import Signals
from app.secrets import CallbackSecrets, ProgressAddresses
from app.telemetry.metrics import Metrics
from app.telemetry.snapshot import Snapshots
from app.telemetry.tally import Tally

PROGRESS = "/progress"
"""Where end users' pages are, which need no sign-in."""


class CannotAsk(Exception):
    """CloudPress could not be asked, or refuses the account; the text says which and holds no secret."""


class Item(Protocol):
    """A location."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str | None: ...


class ProductItem(Item, Protocol):
    """A product, which is a plan."""

    @property
    def description(self) -> str | None: ...


class About(Protocol):
    """What an account can order."""

    @property
    def locations(self) -> tuple[Item, ...]: ...

    @property
    def products(self) -> tuple[ProductItem, ...]: ...


class Catalog(Protocol):
    """What an account could order when CloudPress was asked."""

    @property
    def about(self) -> About: ...

    @property
    def fetched_at(self) -> datetime: ...

    @property
    def age_seconds(self) -> float: ...


class CloudPressChecks(Protocol):
    """The little that the API asks CloudPress itself. All raise `CannotAsk`."""

    async def has_order(self, account_id: str, cloudpress_order_id: str) -> bool: ...

    async def tell_order(self, account_id: str, cloudpress_order_id: str) -> ToldOrder | None: ...

    async def refusal_of_token(self, account_id: str, token: str) -> str | None: ...

    async def catalog(self, account_id: str) -> Catalog: ...

    def fresh_catalog(self, account_id: str) -> Catalog | None: ...


@dataclass(frozen=True)
class Context:
    """What requests work with.

    `is_migrated` asks the database whether it has this release's tables, and raises if it is away.
    `prove_usable` raises if it is away, lacks rights or can write nothing.
    `refusals` counts whom nobody let in, by reason, and `refused_keys` tells the keys among them; `shares`
    counts what each key has open that lasts.
    """

    settings: Settings
    db: Database
    signals: Signals
    callback_secrets: CallbackSecrets
    is_migrated: Callable[[], Awaitable[bool]]
    prove_usable: Callable[[], Awaitable[None]]
    cloudpress: CloudPressChecks
    feed: Feed
    metrics: Metrics
    snapshots: Snapshots
    heartbeats: Heartbeats
    progress_addresses: ProgressAddresses
    heartbeat_seconds: float
    """How often an open stream says that it is alive, and whether its key is still let in is looked up."""
    known_migrated: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused_keys: Tally = field(default_factory=partial(Tally, "key_refused"))
    shares: Shares = field(default_factory=Shares)

    @cached_property
    def intake(self) -> OrderIntake:
        """What stores orders."""
        return OrderIntake(self.db, measure=partial(self.metrics.batch, "orders"))

    def progress_url(self, order_id: UUID) -> str:
        """Return the address of the end user's page of an order."""
        return f"{self.settings.public_url}{PROGRESS}/{self.progress_addresses.address(order_id)}"

    def refuse_key(self, reason: str) -> None:
        """Count a key that is not let in, for a reason of ours."""
        self.refusals["key", reason] += 1
        self.refused_keys.count(reason)

    async def show(self, view: OrderView) -> OrderBody:
        """Return an order as it is shown, with why it is not done."""
        return OrderBody.of(view, await self.heartbeats.surroundings())

    async def require_migrated(self) -> None:
        """Raise a 503 problem while the database is behind this release; asked no more once it is not."""
        if self.known_migrated.is_set():
            return
        if not await self.is_migrated():
            raise Problem(
                503,
                "database-behind",
                "The database is behind this release and nothing was changed: run `presshook migrate`.",
            )
        self.known_migrated.set()


async def get_context(request: Request) -> Context:
    """Return the service's context."""
    return cast("Context", request.app.state.context)


async def require_migrated(context: "ContextDep") -> None:
    """Let no request reach a database that is behind this release."""
    await context.require_migrated()


ContextDep = Annotated[Context, Depends(get_context)]
