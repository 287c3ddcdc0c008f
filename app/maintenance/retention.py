"""Retention: what is old of finished orders goes, in small batches, by one replica at a time.

First what is bulky and personal: an order becomes the tombstone that erasure makes of it. (`orders/erasing`)
`ROWS_STAY` later its events go, if they are as old themselves. The tombstone itself stays, some hundred
bytes, because of all that must outlive an order: no CloudPress order is ever taken for another's, no
idempotency key buys twice, a late callback is let in. What a restored backup brings back is old as well,
and goes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import func, select, update

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Order, Pruning
from app.db.transactions import Transaction
from app.maintenance.old_orders import (
    Place,
    clearable,
    has_pending_deliveries,
    lock,
    strip,
    strippable,
    without_pending_deliveries,
)
from app.orders.erasing import clear
from app.queue import leases
from app.queue.pausing import pause
from app.telemetry.metrics import Metrics

LEASE_SECONDS = 60.0
ROUND_SECONDS = 3600.0
# So much of the time is left to others: small enough for SQLite, which has one writer.
PAUSE_SHARE = 4.0
SHORTEST_PAUSE_SECONDS = 0.02
RETRY_SECONDS = 60.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Bounds:
    """How many orders a batch may have, and how long its statements may take, in seconds, its commit aside.

    A batch that takes longer is followed by a smaller one, also where the machine is slow or has much to do.
    But its dozen statements and its commit take as long as ten orders do, however few it has: below `least`
    it would hardly be shorter, and those who wait would wait more often.
    """

    least: int
    most: int
    seconds: float

    def next_size(self, size: int, took_seconds: float) -> int:
        """Return how many orders the next batch has, where one of `size` has taken so long."""
        if took_seconds > self.seconds:
            return max(self.least, size // 2)
        return min(self.most, size + 1 + size // 4)


# SQLite has one writer: while a batch is written, every callback waits, and must not feel it.
ON_SQLITE = Bounds(least=5, most=25, seconds=0.01)
# PostgreSQL locks the old orders alone, for which hardly anybody waits; and who does waits for no more than
# `LOCK_WAIT_SECONDS`. What is felt is the work, of which larger batches need less for each order.
ON_POSTGRESQL = Bounds(least=5, most=100, seconds=0.5)


class PruningElsewhereError(Exception):
    """Another process prunes at the moment."""


@dataclass(frozen=True)
class Pruned:
    """How many orders became tombstones, and how many tombstones lost their timeline."""

    cleared: int = 0
    stripped: int = 0


@dataclass(frozen=True)
class Forecast:
    """What pruning would do now, and how many old final orders would stay because they are not finished."""

    to_clear: int
    to_strip: int
    kept: int


@dataclass(frozen=True)
class _Batch:
    pruned: int
    last: Place | None
    """The last order that was looked at; None where none is left."""
    began_at_uptime: float
    """When its turn to write had come: while others had theirs, it kept nobody waiting."""
    seconds: float
    """How long its statements took, without the commit."""


_PruneBatch: TypeAlias = Callable[[leases.Claim[Pruning], Place | None], Awaitable[_Batch | None]]


class Pruner:
    """Prunes what is older than `days`."""

    def __init__(self, db: Database, days: float, metrics: Metrics | None = None) -> None:
        """Prepare; `run` or `prune` begins. `metrics` count what is pruned."""
        self._db = db
        self._metrics = metrics or Metrics()
        self._days = timedelta(days=days)
        self._bounds = ON_SQLITE if db.is_sqlite else ON_POSTGRESQL
        self._at_once = self._bounds.least

    async def run(self, stopping: asyncio.Event) -> None:
        """Prune every hour, whichever replica is free, until `stopping`."""
        while not stopping.is_set():
            wait_seconds = RETRY_SECONDS
            with self._db.outages.heeding("pruning"):
                wait_seconds = await self._round(stopping)
            await pause(wait_seconds, until=stopping)

    async def _round(self, stopping: asyncio.Event) -> float:
        claimed = await self._claim()
        if not claimed.claims:
            return min(claimed.next_due_seconds or ROUND_SECONDS, ROUND_SECONDS)
        await self._prune(claimed.claims[0], stopping)
        return ROUND_SECONDS

    async def prune(self) -> Pruned:
        """Prune all that is old now, whenever it is due.

        Raises:
            PruningElsewhereError: another process does.
        """
        async with self._db.write() as tx:
            await tx.session.execute(update(Pruning).values(due_at=tx.now, scheduled_at=tx.now))
        claimed = await self._claim()
        if not claimed.claims:
            raise PruningElsewhereError
        return await self._prune(claimed.claims[0], asyncio.Event())

    @repeated
    async def _claim(self) -> leases.Claimed[Pruning]:
        async with self._db.write() as tx:
            return await leases.claim(tx, Pruning, limit=1, lease_seconds=LEASE_SECONDS)

    async def _prune(self, claim: leases.Claim[Pruning], stopping: asyncio.Event) -> Pruned:
        try:
            cleared = await self._all(claim, stopping, self._clear, "cleared")
            stripped = await self._all(claim, stopping, self._strip, "stripped")
        finally:
            await self._release(claim)
        pruned = Pruned(cleared, stripped)
        if cleared or stripped:
            log.info("pruned", cleared=cleared, stripped=stripped)
        return pruned

    async def _all(
        self,
        claim: leases.Claim[Pruning],
        stopping: asyncio.Event,
        prune: _PruneBatch,
        step: str,
    ) -> int:
        """Prune batch by batch, with pauses in which everybody else works; return how many orders it were."""
        count = 0
        last: Place | None = None
        while not stopping.is_set():
            batch = await prune(claim, last)
            if batch is None:
                log.warning("pruning_lease_lost")
                break
            count += batch.pruned
            self._metrics.pruned(step, batch.pruned)
            if batch.last is None:
                break
            last = batch.last
            self._at_once = self._bounds.next_size(self._at_once, batch.seconds)
            held_seconds = claim.clock.uptime() - batch.began_at_uptime
            pause_seconds = max(SHORTEST_PAUSE_SECONDS, PAUSE_SHARE * held_seconds)
            await pause(pause_seconds, until=stopping)
        return count

    @repeated
    async def _clear(self, claim: leases.Claim[Pruning], after: Place | None) -> _Batch | None:
        """Turn a batch of old orders into tombstones; None if the lease was lost."""
        async with self._db.write() as tx:
            if await _hold(tx, claim) is None:
                return None
            found = await lock(tx, clearable(tx.now, self._days), after, self._at_once)
            order_ids = await without_pending_deliveries(tx, [order_id for _, order_id in found])
            if order_ids:
                await clear(tx, order_ids)
            return _batch(tx, order_ids, found)

    @repeated
    async def _strip(self, claim: leases.Claim[Pruning], after: Place | None) -> _Batch | None:
        """Delete the events of a batch of old tombstones; None if the lease was lost."""
        async with self._db.write() as tx:
            held = await _hold(tx, claim)
            if held is None:
                return None
            found = await lock(tx, strippable(tx.now, self._days), after, self._at_once)
            order_ids = await without_pending_deliveries(tx, [order_id for _, order_id in found])
            if order_ids:
                gone_through = await strip(tx, order_ids)
                held.events_gone_through = max(held.events_gone_through, gone_through)
            return _batch(tx, order_ids, found)

    @repeated
    async def _release(self, claim: leases.Claim[Pruning]) -> None:
        async with self._db.write() as tx:
            held = await leases.hold(tx, claim)
            if held is not None:
                leases.release(tx, held, claim, tx.now + timedelta(seconds=ROUND_SECONDS))

    async def forecast(self) -> Forecast:
        """Return what pruning would do now, and do nothing."""
        async with self._db.read() as session:
            now = await self._db.now(session)
            counts = [
                (await session.execute(select(func.count(Order.id)).where(*conditions))).scalar_one()
                for conditions in (
                    (*clearable(now, self._days), ~has_pending_deliveries()),
                    (*strippable(now, self._days), ~has_pending_deliveries()),
                    (Order.erased_at.is_(None), Order.finalized_at < now - self._days),
                )
            ]
        to_clear, to_strip, old = counts
        return Forecast(to_clear, to_strip, old - to_clear)


def _batch(tx: Transaction, pruned: Sequence[UUID], found: Sequence[Place]) -> _Batch:
    began = tx.began_at_uptime
    return _Batch(len(pruned), found[-1] if found else None, began, tx.clock.uptime() - began)


async def _hold(tx: Transaction, claim: leases.Claim[Pruning]) -> Pruning | None:
    held = await leases.hold(tx, claim)
    if held is not None and _is_half_over(tx, held):
        leases.renew(tx, held, claim, lease_seconds=LEASE_SECONDS)
    return held


def _is_half_over(tx: Transaction, held: Pruning) -> bool:
    return (held.lease_ends_at_uptime or 0.0) - tx.began_at_uptime < LEASE_SECONDS / 2
