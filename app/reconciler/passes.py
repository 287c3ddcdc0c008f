"""A pass over one order: what it holds, what it works with, and what it has found so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from app.cloudpress import Answer, CloudPressError, NotFound, OrderDetails, OrderSummary, Refused, Site, Task
from app.cloudpress.protocol import Provider
from app.db.models import Order
from app.queue.leases import Claim
from app.reconciler.dependencies import Dependencies
from app.reconciler.findings import Findings
from app.reconciler.known import Known
from app.reconciler.turns import Account, Turn
from app.reconciler.window import Now
from app.reconciler.writing import Held, Step
from app.states import WITHOUT_TOKEN, OrderStatus, Trouble
from app.telemetry import tracing

T = TypeVar("T")


class NoTokenError(CloudPressError):
    """Nothing can be asked: no token of the order's account is known."""

    def __init__(self) -> None:
        super().__init__("no token is known", kind=WITHOUT_TOKEN)


@dataclass
class Pass:
    """One pass over one claimed order.

    What it asks of CloudPress ends within its share of the lease. Whatever it asks raises `CloudPressError`.
    """

    dependencies: Dependencies
    claim: Claim[Order]
    provider: Provider | None = None
    """CloudPress under the order's account; None for a pass that asks nothing."""
    is_without_token: bool = False
    """Whether to ask anything raises `NoTokenError`; what needs no request is done all the same."""
    turn: Turn = field(default_factory=lambda: Turn(Account(1)))
    """Its place among the passes of the account that may ask CloudPress."""
    findings: Findings = field(default_factory=Findings)
    traceparent: str | None = field(default_factory=tracing.current)
    """The trace that the pass is part of. (W3C)"""
    left_alone_seconds: float | None = None
    """For how long CloudPress wants to be left alone (`Retry-After`), whatever was made of that answer."""
    _has_asked: bool = False

    @property
    def order(self) -> Order:
        """The order as it was when it was claimed."""
        return self.claim.row

    @property
    def known(self) -> Known:
        """What was known of the order then, if it has been sent before."""
        known: Known | None = self.claim.beside
        if known is None:
            raise LookupError("nothing was read of an order that has not been sent")
        return known

    @property
    def has_found_another(self) -> bool:
        """Whether it has found another CloudPress order than the order has, so that it looked at neither."""
        return self.findings.order_id not in {None, self.order.cloudpress_order_id}

    def now(self) -> Now:
        """Return the present time, by the clock of the database as it was read with the claim."""
        uptime = self.claim.clock.uptime()
        passed = timedelta(seconds=uptime - self.known.at_uptime)
        return Now(self.known.at + passed, self.claim.clock.boot, uptime)

    def seconds_left(self) -> float:
        """Return what remains of the part of the lease in which a pass may ask CloudPress."""
        return self.claim.seconds_left() - self.dependencies.lease_reserve_seconds

    def has_time(self) -> bool:
        """Tell whether another request fits into this pass; the first one always does."""
        fits = self.seconds_left() >= self.dependencies.upstream_timeout_seconds
        first, self._has_asked = not self._has_asked, True
        return fits or first

    @property
    def cloudpress(self) -> Provider:
        """CloudPress under the order's account."""
        if self.is_without_token:
            raise NoTokenError
        if self.provider is None:
            raise LookupError("this pass was to ask nothing")
        return self.provider

    def note(self, told: Answer[Any] | Refused) -> None:
        """Note what CloudPress's clock showed just now; what is not in its own form may be a proxy's."""
        if isinstance(told, Refused) and not told.is_own_form:
            return
        self.dependencies.provider_clock.note(told.date, self.claim.clock.uptime())

    async def _noted(self, request: Awaitable[Answer[T]]) -> Answer[T]:
        try:
            answer = await request
        except CloudPressError as error:
            if isinstance(error, Refused):
                self.note(error)
            asked = error.retry_after_seconds
            if asked is not None:
                self.left_alone_seconds = max(asked, self.left_alone_seconds or 0.0)
            raise
        self.note(answer)
        if answer.date is not None:
            # Nothing old gets young by an answer that is told with the time of then, nor what is ours old.
            clock, uptime = self.dependencies.provider_clock, self.claim.clock.uptime()
            answer = replace(answer, date=clock.heeded(answer.date, uptime))
        return answer

    async def write(
        self,
        write: Callable[[Held], Awaitable[T]],
        *,
        is_fenced: bool = True,
        is_last: bool = True,
        named: tuple[str, ...] = (),
    ) -> T | None:
        """Write what `write` does with the locked order, committed when this returns.

        If it is the last that the pass does, another pass of the account may ask CloudPress from now on.
        Unless it is fenced, it is written even if the lease was lost; otherwise the result is None then, and
        nothing is written. `named` are CloudPress orders that it may come to hold besides what was found.
        """
        if is_last:
            self.turn.leave()
        found = self.findings
        step = Step(
            self.order.id,
            found,
            write,
            token=self.claim.token if is_fenced else None,
            named=named if found.order_id is None else (*named, found.order_id),
            site_ids=(found.site.value.id,) if found.site is not None else (),
        )
        result: T | None = await self.dependencies.writing.write(step)
        return result

    async def list_orders(self, page: int) -> Answer[tuple[OrderSummary, ...]]:
        """List a page of the account's orders."""
        return await self._noted(self.cloudpress.orders(page=page, timeout_seconds=self.seconds_left()))

    async def read_order(self, order_id: str) -> Answer[OrderDetails]:
        """Read an order. `ValueError` if the id cannot be part of a path."""
        return await self._noted(self.cloudpress.order(order_id, timeout_seconds=self.seconds_left()))

    async def find_order(self, order_id: str) -> Answer[OrderDetails] | None:
        """Read an order; None if there is none."""
        try:
            return await self.read_order(order_id)
        except (NotFound, ValueError):
            return None

    async def read_task(self, task_id: int) -> Answer[Task]:
        """Read a task."""
        return await self._noted(self.cloudpress.task(task_id, timeout_seconds=self.seconds_left()))

    async def read_site(self, site_id: str) -> Answer[Site]:
        """Read a site. `ValueError` if the id cannot be part of a path."""
        return await self._noted(self.cloudpress.site(site_id, timeout_seconds=self.seconds_left()))

    async def cancel(self, order_id: str) -> None:
        """Ask for an order to be cancelled."""
        await self._noted(self.cloudpress.cancel(order_id, timeout_seconds=self.seconds_left()))


@dataclass(frozen=True)
class PassResult:
    """What a pass did, for the log."""

    action: str
    before: OrderStatus
    after: OrderStatus
    failures: int
    due_in_seconds: float | None
    finished: "Finished | None" = None
    """Set where the pass made the order final."""
    reason: str | None = None
    status: int | None = None
    """Why the order could not go on, and CloudPress's status if it was an answer."""
    attention: str | None = None
    """The code, where the order asks for a person since this pass."""


@dataclass(frozen=True)
class Finished:
    """How long an order took, in seconds: in all, and since its last callback if there was one."""

    lasted_seconds: float
    since_callback_seconds: float | None


def trouble_of(error: CloudPressError) -> Trouble:
    """Return what of a failed request bears on a decision."""
    status = error.status if isinstance(error, Refused) else None
    return Trouble(error.kind, status=status, retry_after_seconds=error.retry_after_seconds)
