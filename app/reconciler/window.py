"""When CloudPress can have made an order, by its own clock, and whether what it tells agrees with the order.

What CloudPress tells of an order's account, variant or age may be spelled in many ways. It never excludes an
order from what is suspected, except by an age that is proven to be told as we understand it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.cloudpress import OrderSummary
from app.db.lasting import Moment
from app.db.models import Placement

CLOCK_TOLERANCE = timedelta(minutes=5)
# By how much CloudPress's clock and ours may differ over the time since an order was sent.
DRIFT = timedelta(minutes=2)
# How much older than any that can be the one an order has to be told before its age leaves it out. That
# others are told as we understand it proves nothing of this one: CloudPress's servers need not agree on the
# time, and a time may come without its zone or its hour.
CLEARLY_OLDER = timedelta(days=1)
# What is told to be older was not told: it is a column's default.
NO_TIME_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """From when on CloudPress can have made an order; None: nobody knows, so at any time."""

    begins_at: datetime | None = None

    def holds(self, created_at: datetime | None) -> bool:
        """Tell whether an order that was made then, by CloudPress's word, can be the one."""
        if self.begins_at is None or created_at is None or created_at < NO_TIME_BEFORE:
            return True
        return created_at >= self.begins_at - CLEARLY_OLDER


class Now(Moment):
    """The present time, by all clocks that there are."""

    def since(self, attempt: Placement) -> timedelta:
        """Return how long ago an attempt was made, by the uptime if this machine made it."""
        up = self._up_since(attempt)
        return self.wall - attempt.sent_at if up is None else up

    def spans_since(self, attempt: Placement, date: datetime) -> tuple[timedelta, ...]:
        """Return how long ago an attempt was made, by each clock that counts: the uptime if there is one.

        `date` is what CloudPress's clock shows now.
        """
        up = self._up_since(attempt)
        if up is not None:
            return (up,)
        return self.wall - attempt.sent_at, date - (attempt.cloudpress_sent_at or attempt.sent_at)

    def _up_since(self, attempt: Placement) -> timedelta | None:
        """Return how long this machine has been up since it made an attempt, None if it did not make it."""
        if attempt.sent_boot != self.boot or attempt.sent_uptime is None:
            return None
        return timedelta(seconds=self.uptime - attempt.sent_uptime)


def window_of(attempts: Iterable[Placement], now: Now, date: datetime | None) -> Window:
    """Return when the attempts can have made an order. `date` is what CloudPress's clock shows now.

    That clock is believed where it has gone on since as ours has; where it has not, or was not known when the
    first attempt was made, the window has no beginning.
    """
    first = next(iter(attempts), None)
    if first is None or first.cloudpress_sent_at is None or date is None:
        return Window()
    theirs = date - first.cloudpress_sent_at
    if abs(theirs - now.since(first)) > DRIFT:
        return Window()
    return Window(first.cloudpress_sent_at - CLOCK_TOLERANCE)


def spelt_as(known: str | None, named: str) -> str:
    """Return a CloudPress order's id as it is known, where what is named is that in other letters.

    They are UUIDs (provider page), which a task, or an operator, may write otherwise.
    """
    return spelt_among(() if known is None else (known,), named)


def spelt_among(known: Iterable[str], named: str) -> str:
    """Return the same where it may be any of several that are known; as it is named where it is none."""
    return next((it for it in known if it.lower() == named.lower()), named)


def tells_same_kind(summary: OrderSummary, account_id: str, variant: str) -> bool:
    """Tell whether the account and the variant agree, as far as they are told."""
    if summary.account_id is not None and summary.account_id != account_id:
        return False
    return summary.variant is None or summary.variant.lower() == variant.lower()
