"""The only lease SQL: claim rows that are due, hold one under its lock, release it.

Orders and deliveries are leased alike. A lease is a token in the row. Whoever lost it finds that `hold`
returns nothing, and drops what it has observed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import Row as RowTuple
from sqlalchemy.orm import InstrumentedAttribute

from app.db.clock import Clock
from app.db.columns import UTCDateTime
from app.db.database import Database, Transaction
from app.db.models import Leased

Row = TypeVar("Row", bound=Leased)


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """A row that is held: as it was when it was claimed, and until when, by the monotonic clock."""

    row: Row
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
class Share:
    """Bounds how many rows with the same value of a column are claimed at a time."""

    column: InstrumentedAttribute[str]
    most: Callable[[str], int]
    """How many more there may be with a value."""

    def of(self, found: Sequence[RowTuple[Any]]) -> list[RowTuple[Any]]:
        """Return those of the found rows that are within it. The value is their last column."""
        taken: Counter[str] = Counter()
        kept = []
        for row in found:
            taken[row[-1]] += 1
            if taken[row[-1]] <= self.most(row[-1]):
                kept.append(row)
        return kept


@dataclass(frozen=True)
class Claimed(Generic[Row]):
    """What a claim got, when the next row is due if none has to wait for a slot, and whether one does."""

    claims: tuple[Claim[Row], ...]
    next_due_seconds: float | None
    is_more_due: bool


def is_claimable(table: type[Leased], now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Return the condition that a row is due and that nobody holds it."""
    return and_(table.due_at <= now, or_(table.lease_until.is_(None), table.lease_until <= now))


async def claim(
    tx: Transaction,
    table: type[Row],
    *,
    limit: int,
    lease_seconds: float,
    only: Sequence[ColumnElement[bool]] = (),
    share: Share | None = None,
) -> Claimed[Row]:
    """Lease up to `limit` rows that are due and that nobody holds, the longest due first.

    What is beyond a `share` is left to whoever comes next.
    """
    expires_at_monotonic = tx.began_at_monotonic + lease_seconds
    token = uuid4()
    # Core rows, not objects: most claims find nothing.
    connection = await tx.session.connection()
    due = _due(table, share.column if share else None)
    if only:
        due = due.where(*only)
    locked = (await connection.execute(due, {"now": tx.now, "limit": limit})).all()
    found = share.of(locked) if share else locked
    cut_off = {row.id for row in found if row.lease_token is not None}
    rows: list[Row] = []
    if found:
        taken = (
            update(table)
            .where(table.id.in_([row.id for row in found]))
            .values(lease_token=token, lease_until=tx.now + timedelta(seconds=lease_seconds))
            .returning(table)
            .execution_options(synchronize_session=False)
        )
        rows = list((await tx.session.scalars(taken)).all())
    claims = tuple(
        Claim(row, token, row.wakes, expires_at_monotonic, tx.clock, row.id in cut_off) for row in rows
    )
    moment = (await connection.execute(_next_due(table), {"now": tx.now})).scalar_one()
    next_due_seconds = None if moment is None else max(0.0, (moment - tx.now).total_seconds())
    return Claimed(claims, next_due_seconds, is_more_due=len(locked) == limit)


# Every replica asks these after each commit: built once, they cost a tenth.
@cache
def _due(table: type[Leased], share: InstrumentedAttribute[str] | None) -> Select[*tuple[Any, ...]]:
    """Return the statement that locks rows which are due and which nobody holds, the longest due first.

    The rows are locked by it, so the update behind it changes exactly those; an idle poll writes nothing.
    SQLite knows no row locks and drops the clause: its one writer is alone anyway.
    """
    return (
        select(table.id, table.lease_token, *([share] if share is not None else ()))
        .where(is_claimable(table, bindparam("now", type_=UTCDateTime())))
        .order_by(table.due_at)
        .limit(bindparam("limit", type_=Integer()))
        .with_for_update(skip_locked=True)
    )


@cache
def _next_due(table: type[Leased]) -> Select[Any]:
    """Return the statement for when the next row can be claimed: it is due, or the lease on it runs out."""
    now = bindparam("now", type_=UTCDateTime())
    leased = and_(table.lease_until.is_not(None), table.lease_until > table.due_at)
    claimable_at = case((leased, table.lease_until), else_=table.due_at)
    return select(func.min(claimable_at)).where(table.due_at.is_not(None), claimable_at > now)


async def hold(tx: Transaction, claim: Claim[Row]) -> Row | None:
    """Lock the claimed row for the rest of the transaction; None if the lease was lost."""
    table = type(claim.row)
    held = select(table).where(table.id == claim.row.id, table.lease_token == claim.token).with_for_update()
    return (await tx.session.scalars(held)).one_or_none()


async def give_back(db: Database, claim: Claim[Row]) -> None:
    """Release a row that is still held, due now."""
    async with db.write() as tx:
        row = await hold(tx, claim)
        if row is not None:
            release(tx, row, claim, tx.now)


def renew(tx: Transaction, row: Row, claim: Claim[Row], *, lease_seconds: float) -> Claim[Row]:
    """Extend the lease of a row that is held and locked; return the claim with its new end."""
    expires_at_monotonic = tx.began_at_monotonic + lease_seconds
    row.lease_until = tx.now + timedelta(seconds=lease_seconds)
    return replace(claim, row=row, expires_at_monotonic=expires_at_monotonic)


def release(
    tx: Transaction,
    row: Row,
    claim: Claim[Row],
    due_at: datetime | None,
    *,
    not_before: datetime | None = None,
) -> None:
    """Give a row back, due at `due_at`, or at once if it was woken since it was claimed.

    Neither before `not_before`.
    """
    row.lease_token = None
    row.lease_until = None
    woken = row.wakes != claim.wakes
    row.due_at = tx.now if woken else due_at
    if row.due_at is not None and not_before is not None:
        row.due_at = max(row.due_at, not_before)
    if row.due_at is not None and row.due_at <= tx.now:
        tx.announce(due=type(row))
