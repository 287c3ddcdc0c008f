"""That a claim which finds nothing tells when to look again, in whatever state a row was left."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest
from sqlalchemy import update

from app.db.database import Database
from app.db.models import Order
from app.orders.intake import NewOrder, create_order
from app.queue import leases
from app.queue.clock_watch import ClockWatch
from app.queue.leases import Claimed
from tests.reconciler.scripted import SetClock

LEASE_SECONDS = 60
LOOKS = 5
"""How often it may be looked for what is claimed in the end."""
HERE, ELSEWHERE, UNNAMED = SetClock.boot, "another machine", None


@dataclass(frozen=True)
class Left:
    """How a row was left: when it is due and when the lease on it ends, each in seconds from now.

    By which clock an end was told, and what has happened to that clock since, is all the same.
    """

    due: int
    machine: str | None = None
    until: int | None = None
    """The lease's end by the database's clock; None if there is no lease."""
    ends: int = 0
    """The same by the uptime of the machine that holds it."""

    def is_claimable(self, after: int, *, is_trusted: bool) -> bool:
        """Tell whether it may be claimed so many seconds from now, by a clock that is believed or not."""
        if self.due > after:
            return False
        if self.until is None:
            return True
        if self.machine == HERE:
            return self.ends <= after
        return is_trusted and (self.until <= after or self.until > after + 2 * LEASE_SECONDS)


def every_state() -> Iterator[Left]:
    """Return each way in which a row may have been left, by clocks that have stepped or not."""
    moments = (-10, 30, 100, 500)
    for due in moments:
        yield Left(due)
        for until, ends in product(moments, (-5, 20)):
            yield Left(due, HERE, until, ends)
        for machine, until in product((ELSEWHERE, UNNAMED), moments):
            yield Left(due, machine, until)


async def claim(db: Database, watch: ClockWatch) -> Claimed[Order]:
    async with db.write() as tx:
        watch.see(tx)
        return await leases.claim(tx, Order, limit=10, lease_seconds=LEASE_SECONDS, watch=watch)


async def leave(db: Database, clock: SetClock, left: Left) -> None:
    until = None if left.until is None else clock.time + timedelta(seconds=left.until)
    values = {
        "due_at": clock.time + timedelta(seconds=left.due),
        "lease_token": None if until is None else uuid4(),
        "lease_until": until,
        "lease_boot": left.machine,
        "lease_ends_at_uptime": None if until is None else clock.uptime() + left.ends,
    }
    async with db.write() as tx:
        await tx.session.execute(update(Order).values(values))


@pytest.mark.parametrize("watched_seconds", [0, LEASE_SECONDS])
async def test_whoever_looks_again_when_told_to_claims_a_row_as_soon_as_it_may_be(
    db: Database, clock: SetClock, watched_seconds: int
) -> None:
    await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    for left in every_state():
        watch = ClockWatch()
        async with db.write() as tx:
            watch.see(tx)
        clock.time += timedelta(seconds=watched_seconds)
        await leave(db, clock, left)
        began = clock.time
        for _ in range(LOOKS):
            claimed = await claim(db, watch)
            if claimed.claims:
                break
            assert claimed.next_due_seconds, f"nobody would look again: {left}"
            clock.time += timedelta(seconds=claimed.next_due_seconds)
        trusted_after = LEASE_SECONDS - watched_seconds
        first = next(it for it in range(1000) if left.is_claimable(it, is_trusted=it >= trusted_after))
        assert (clock.time - began).total_seconds() == first, left
