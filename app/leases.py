"""The only lease SQL: claim orders that are due, hold one under its lock, release it.

A lease is a token in the order's row. Whoever lost it finds that `hold` returns nothing, and drops what
it has observed.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import and_, case, func, or_, select, update

from app.db import Clock, Transaction
from app.models import Order
from app.timeline import record


@dataclass(frozen=True)
class Claim:
    """An order that is held: as it was when it was claimed, and until when, by the monotonic clock."""

    order: Order
    token: UUID
    wakes: int
    expires_at_monotonic: float
    clock: Clock
    was_cut_off: bool
    """Whether another's lease had run out on it."""

    def seconds_left(self) -> float:
        """Return how long the lease is surely held."""
        return self.expires_at_monotonic - self.clock.monotonic()


@dataclass(frozen=True)
class Claimed:
    """What a claim got, and when the next order is due if none has to wait for a free slot."""

    claims: tuple[Claim, ...]
    next_due_seconds: float | None


async def claim(tx: Transaction, *, limit: int, lease_seconds: float) -> Claimed:
    """Lease up to `limit` orders that are due and that nobody holds, the longest due first."""
    expires_at_monotonic = tx.began_at_monotonic + lease_seconds
    token = uuid4()
    # The rows are locked by the first statement, so the second updates exactly those; an idle poll
    # writes nothing. SQLite knows no row locks and drops the clause: its one writer is alone anyway.
    due = (
        select(Order.id, Order.lease_token)
        .where(Order.due_at <= tx.now, or_(Order.lease_until.is_(None), Order.lease_until <= tx.now))
        .order_by(Order.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await tx.session.execute(due)).all()
    cut_off = {row.id for row in rows if row.lease_token is not None}
    orders: list[Order] = []
    if rows:
        taken = (
            update(Order)
            .where(Order.id.in_([row.id for row in rows]))
            .values(lease_token=token, lease_until=tx.now + timedelta(seconds=lease_seconds))
            .returning(Order)
            .execution_options(synchronize_session=False)
        )
        orders = list((await tx.session.scalars(taken)).all())
        for order in orders:
            if order.id in cut_off:
                record(tx, order.id, "lease_taken_over", status=order.status)
    claims = tuple(
        Claim(order, token, order.wakes, expires_at_monotonic, tx.clock, order.id in cut_off)
        for order in orders
    )
    return Claimed(claims, await _next_due_seconds(tx))


async def _next_due_seconds(tx: Transaction) -> float | None:
    """Return when the next order can be claimed: when it is due, or when the lease on it runs out."""
    leased = and_(Order.lease_until.is_not(None), Order.lease_until > Order.due_at)
    claimable_at = case((leased, Order.lease_until), else_=Order.due_at)
    later = select(func.min(claimable_at)).where(Order.due_at.is_not(None), claimable_at > tx.now)
    moment = (await tx.session.execute(later)).scalar_one()
    return None if moment is None else max(0.0, (moment - tx.now).total_seconds())


async def hold(tx: Transaction, claim: Claim) -> Order | None:
    """Lock the claimed order for the rest of the transaction; None if the lease was lost."""
    held = select(Order).where(Order.id == claim.order.id, Order.lease_token == claim.token).with_for_update()
    return (await tx.session.scalars(held)).one_or_none()


def renew(tx: Transaction, order: Order, claim: Claim, *, lease_seconds: float) -> Claim:
    """Extend the lease of an order that is held and locked; return the claim with its new end."""
    expires_at_monotonic = tx.began_at_monotonic + lease_seconds
    order.lease_until = tx.now + timedelta(seconds=lease_seconds)
    return replace(claim, order=order, expires_at_monotonic=expires_at_monotonic)


def release(tx: Transaction, order: Order, claim: Claim, due_at: datetime | None) -> None:
    """Give an order back, due at `due_at`, or at once if it was woken since it was claimed."""
    order.lease_token = None
    order.lease_until = None
    woken = order.wakes != claim.wakes
    order.due_at = tx.now if woken else due_at
    if order.due_at is not None and order.not_before is not None:
        order.due_at = max(order.due_at, order.not_before)
    if order.due_at is not None and order.due_at <= tx.now:
        tx.announce(due=True)
