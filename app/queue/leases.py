"""The only lease SQL: claim rows that are due, hold one under its lock, release it.

Orders and deliveries are leased alike. A lease is a fencing token in the row. Whoever lost it finds that
`hold` returns nothing, and drops what it has observed.

When a lease ends is written by the database's clock, and by the holder's machine, whose uptime no step bends.
Whoever is on the same machine goes by the latter alone. Others go by the database's clock, once they have
watched it for as long as a lease lasts and have not seen it step. (`ClockWatch`)
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import Row as RowTuple
from sqlalchemy.orm import InstrumentedAttribute, lazyload
from sqlalchemy.sql.dml import ReturningUpdate

from app.db.clock import Clock
from app.db.columns import UTCDateTime
from app.db.database import Database, Transaction
from app.db.errors import repeated
from app.db.models import Leased
from app.db.several import among
from app.queue.clock_watch import ClockWatch

Row = TypeVar("Row", bound=Leased)
ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)
NEVER = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """A row that is held: as it was when it was claimed, and until when, by this machine's uptime."""

    row: Row
    token: UUID
    wakes: int
    expires_at_uptime: float
    clock: Clock
    was_cut_off: bool
    """Whether another's lease had run out on it."""
    beside: Any = None
    """What was read with it in the same transaction; whoever claimed it knows what that is."""

    def seconds_left(self) -> float:
        """Return how long the lease is surely held."""
        return self.expires_at_uptime - self.clock.uptime()


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


def is_claimable(table: type[Leased]) -> ColumnElement[bool]:
    """Return the condition that a row is due and that nobody holds it. Its values are `_moment`'s."""
    here = table.lease_boot == bindparam("boot", type_=Text())
    elsewhere = or_(table.lease_boot.is_(None), table.lease_boot != bindparam("boot", type_=Text()))
    run_out = or_(
        table.lease_until.is_(None),
        and_(here, table.lease_ends_at_uptime <= bindparam("uptime", type_=Double())),
        and_(
            elsewhere,
            or_(
                table.lease_until <= bindparam("expired_by", type_=UTCDateTime()),
                table.lease_until > bindparam("impossible_after", type_=UTCDateTime()),
            ),
        ),
    )
    return and_(table.due_at <= bindparam("now", type_=UTCDateTime()), run_out)


def _moment(tx: Transaction, lease_seconds: float, watch: ClockWatch | None) -> dict[str, Any]:
    """Return what `is_claimable` goes by."""
    trusted = watch is None or not watch.seconds_to_watch(tx, lease_seconds)
    return {
        "now": tx.now,
        "boot": tx.clock.boot,
        "uptime": tx.began_at_uptime,
        "expired_by": tx.now if trusted else NEVER,
        # A lease lasts no longer than its span. One that does was given by a clock that was ahead.
        "impossible_after": tx.now + timedelta(seconds=2 * lease_seconds) if watch and trusted else ALWAYS,
    }


async def claim(
    tx: Transaction,
    table: type[Row],
    *,
    limit: int,
    lease_seconds: float,
    only: ColumnElement[bool] | None = None,
    values: Mapping[str, Any] | None = None,
    share: Share | None = None,
    watch: ClockWatch | None = None,
) -> Claimed[Row]:
    """Lease up to `limit` rows that are due and that nobody holds, the longest due first.

    What is beyond a `share` is left to whoever comes next. `only` is a condition besides, built once, whose
    `values` change.
    """
    expires_at_uptime = tx.began_at_uptime + lease_seconds
    token = uuid4()
    moment = _moment(tx, lease_seconds, watch)
    # Core rows, not objects: most claims find nothing.
    connection = await tx.session.connection()
    due = _due(table, share.column if share else None, only)
    locked = (await connection.execute(due, {**moment, **(values or {}), "limit": limit})).all()
    found = share.of(locked) if share else locked
    cut_off = {row.id for row in found if row.lease_token is not None}
    rows: list[Row] = []
    if found:
        lease = {f"new_{name}": value for name, value in _lease(tx, lease_seconds).items()}
        asked = {"ids": [row.id for row in found], "new_lease_token": token, **lease}
        rows = list((await tx.session.scalars(_taken(table), asked)).all())
    claims = tuple(
        Claim(row, token, row.wakes, expires_at_uptime, tx.clock, row.id in cut_off) for row in rows
    )
    # What a share leaves is due as well: by the time that the claim is committed, slots may be free for it.
    is_more_due = len(locked) == limit or len(found) < len(locked)
    if claims and is_more_due:
        return Claimed(claims, 0.0, is_more_due)  # whoever asks comes again at once
    watching_seconds = watch.seconds_to_watch(tx, lease_seconds) if watch is not None else 0.0
    return Claimed(claims, await _next_due_seconds(tx, table, moment, watching_seconds), is_more_due)


def _lease(tx: Transaction, lease_seconds: float) -> dict[str, Any]:
    """Return the end of a lease that begins now, by both clocks."""
    return {
        "lease_until": tx.now + timedelta(seconds=lease_seconds),
        "lease_boot": tx.clock.boot,
        "lease_ends_at_uptime": tx.began_at_uptime + lease_seconds,
    }


# Every replica asks these after each commit: built once, they cost a tenth.
@cache
def _due(
    table: type[Leased], share: InstrumentedAttribute[str] | None, only: ColumnElement[bool] | None
) -> Select[*tuple[Any, ...]]:
    """Return the statement that locks rows which are due and which nobody holds, the longest due first.

    The rows are locked by it, so the update behind it changes exactly those; an idle poll writes nothing.
    SQLite knows no row locks and drops the clause: its one writer is alone anyway.
    """
    return (
        select(table.id, table.lease_token, *([share] if share is not None else ()))
        .where(is_claimable(table), *([only] if only is not None else ()))
        .order_by(table.due_at)
        .limit(bindparam("limit", type_=Integer()))
        .with_for_update(skip_locked=True)
    )


@cache
def _taken(table: type[Row]) -> ReturningUpdate[Row]:
    """Return the statement that leases rows, and returns them. The values of the lease are `new_…`."""
    lease = ("lease_token", "lease_until", "lease_boot", "lease_ends_at_uptime")
    columns = table.__table__.c
    return (
        update(table)
        .where(among(table.id, "ids"))
        .values({name: bindparam(f"new_{name}", type_=columns[name].type) for name in lease})
        .returning(table)
        .options(lazyload("*"))
        .execution_options(synchronize_session=False)
    )


async def _next_due_seconds(
    tx: Transaction, table: type[Leased], moment: dict[str, Any], watching_seconds: float
) -> float | None:
    """Return when the next row can be claimed: when it is due, or when the lease on it runs out.

    What another machine holds is looked at again once the clock has been watched for long enough.
    """
    connection = await tx.session.connection()
    asked = {name: moment[name] for name in ("now", "boot", "uptime")}
    due_at, ends_at_uptime, held_elsewhere = (await connection.execute(_next_due(table), asked)).one()
    waits = []
    if due_at is not None:
        waits.append((due_at - tx.now).total_seconds())
    if ends_at_uptime is not None:
        waits.append(ends_at_uptime - tx.began_at_uptime)
    if held_elsewhere and watching_seconds:
        waits.append(watching_seconds)
    return max(0.0, min(waits)) if waits else None


@cache
def _next_due(table: type[Leased]) -> Select[*tuple[Any, ...]]:
    """Return the statement for that: the earliest by the database's clock, and by this machine's uptime."""
    now = bindparam("now", type_=UTCDateTime())
    here = and_(table.lease_until.is_not(None), table.lease_boot == bindparam("boot", type_=Text()))
    elsewhere = and_(table.lease_until.is_not(None), table.lease_boot != bindparam("boot", type_=Text()))
    held = and_(table.lease_until.is_not(None), table.lease_until > table.due_at)
    claimable_at = case((here, None), (held, table.lease_until), else_=table.due_at)
    ends_at = case((here, table.lease_ends_at_uptime))
    return select(
        func.min(case((claimable_at > now, claimable_at))),
        func.min(case((ends_at > bindparam("uptime", type_=Double()), ends_at))),
        func.count(case((elsewhere, 1))),
    ).where(table.due_at > NEVER)  # rather than `IS NOT NULL`, for which SQLite takes no index


async def hold(tx: Transaction, claim: Claim[Row]) -> Row | None:
    """Lock the claimed row for the rest of the transaction; None if the lease was lost."""
    held = _held(type(claim.row))
    return (await tx.session.scalars(held, {"id": claim.row.id, "token": claim.token})).one_or_none()


@cache
def _held(table: type[Row]) -> Select[Row]:
    mine = table.id == bindparam("id"), table.lease_token == bindparam("token")
    return select(table).where(*mine).options(lazyload("*")).with_for_update()


@repeated
async def give_back(db: Database, claim: Claim[Row]) -> None:
    """Release a row that is still held, due now."""
    async with db.write() as tx:
        row = await hold(tx, claim)
        if row is not None:
            release(tx, row, claim, tx.now)


def renew(tx: Transaction, row: Row, claim: Claim[Row], *, lease_seconds: float) -> Claim[Row]:
    """Extend the lease of a row that is held and locked; return the claim with its new end."""
    lease = _lease(tx, lease_seconds)
    row.lease_until, row.lease_boot = lease["lease_until"], lease["lease_boot"]
    row.lease_ends_at_uptime = lease["lease_ends_at_uptime"]
    return replace(claim, row=row, expires_at_uptime=tx.began_at_uptime + lease_seconds)


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
    row.lease_token = row.lease_until = row.lease_boot = row.lease_ends_at_uptime = None
    row.scheduled_at = tx.now
    woken = row.wakes != claim.wakes
    row.due_at = tx.now if woken else due_at
    if row.due_at is not None and not_before is not None:
        row.due_at = max(row.due_at, not_before)
    if row.due_at is not None and row.due_at <= tx.now:
        tx.announce(due=type(row))
