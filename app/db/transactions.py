"""A write transaction, as those see it who work in it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.clock import Clock
from app.db.models import Event
from app.db.notice import NewEvent, Telling

_HIGHEST = select(Event.id).order_by(Event.id.desc()).limit(bindparam("number"))

Deliver = Callable[["Transaction", Sequence[tuple[NewEvent, str | None]]], Awaitable[None]]
"""Adds the deliveries of events."""


@dataclass(kw_only=True)
class Transaction(Telling):
    """One write transaction: its session, its time, and whom to wake once it is committed."""

    session: AsyncSession
    clock: Clock
    began_at_uptime: float
    """Not later than `now`, by the machine's uptime: what is counted from here never lasts too long."""

    def seconds_so_far(self) -> float:
        """Return how old `now` is at most. A process may stand still in a transaction."""
        return self.clock.uptime() - self.began_at_uptime

    told: list[tuple[NewEvent, str | None]] = field(default_factory=list)
    """The events that applications are told of, each with the account that it is about."""
    _deliver: Deliver | None = None

    def deliver(self, event: NewEvent, account_id: str | None, *, by: Deliver) -> None:
        """Have applications told of an event, by what makes the deliveries of all of them at once.

        That is done while no other's events can come in between, and waits for no lock.
        """
        self.told.append((event, account_id))
        self._deliver = by

    async def make_deliveries(self) -> None:
        """Make the deliveries of the events, which have just been inserted."""
        if self._deliver is not None:
            await self._deliver(self, self.told)
            await self.session.flush()

    async def number_events(self) -> None:
        """Let the events, which have just been inserted, know their numbers: they are the highest."""
        numbers = (await self.session.scalars(_HIGHEST, {"number": len(self.events)})).all()
        for each, number in zip(self.events, reversed(numbers), strict=True):
            each.id = number
