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
    true,
    update,
)
from sqlalchemy import Row as RowTuple
from sqlalchemy.orm import InstrumentedAttribute, lazyload
from sqlalchemy.sql.dml import ReturningUpdate

from app.db.clock import Clock
from app.db.columns import UTCDateTime
from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Leased
from app.db.several import among
from app.db.transactions import Transaction
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
    is_any_left: bool = False
    """Whether it left a row that could be claimed. If none has to wait for a slot, somebody else has it
    locked, and may end without a word: then nobody is told that it is free again."""

    def again_unless(self, is_mended: bool) -> "Claimed[Row]":  # noqa: FBT001 - what `ClockWatch.mend` returned
        """Return the same, to be asked for again at once unless all that a clock had put ahead was mended."""
        return self if is_mended else replace(self, next_due_seconds=0.0)


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
    # Core rows, not objects: most claims find nothing.
    connection = await tx.session.connection()
    asked = {**_moment(tx, lease_seconds, watch), **(values or {}), "limit": limit}
    looked = (await connection.execute(_due(table, share.column if share else None, only), asked)).all()
    if watch is not None and tx.seconds_so_far() >= lease_seconds:
        # Whoever stood still since it read the clock takes a lease given since for an impossible one.
        return Claimed((), 0.0, is_more_due=True)
    locked = [row for row in looked if row.id is not None]
    found = share.of(locked) if share else locked
    cut_off = {row.id for row in found if row.lease_token is not None}
    rows: list[Row] = []
    if found:
        new = {"lease_token": token, "scheduled_at": tx.now, **_lease(tx, lease_seconds)}
        taken = {"ids": [row.id for row in found], **{f"new_{name}": value for name, value in new.items()}}
        rows = list((await tx.session.scalars(_taken(table, tuple(new)), taken)).all())
    claims = tuple(
        Claim(row, token, row.wakes, expires_at_uptime, tx.clock, row.id in cut_off) for row in rows
    )
    # What a share leaves is due as well: by the time that the claim is committed, slots may be free for it.
    is_more_due = len(locked) == limit or len(found) < len(locked)
    if claims and is_more_due:
        return Claimed(claims, 0.0, is_more_due)  # whoever asks comes again at once
    waits = _waits(tx, looked[0], watch.seconds_to_watch(tx, lease_seconds) if watch is not None else 0.0)
    waits += [lease_seconds] if claims else []
    is_any_left = looked[0].claimable > len(locked)
    return Claimed(claims, max(0.0, min(waits)) if waits else None, is_more_due, is_any_left)


def _lease(tx: Transaction, lease_seconds: float) -> dict[str, Any]:
    """Return the end of a lease that begins now, by both clocks."""
    return {
        "lease_until": tx.now + timedelta(seconds=lease_seconds),
        "lease_boot": tx.clock.boot,
        "lease_ends_at_uptime": tx.began_at_uptime + lease_seconds,
    }


# Every replica asks this after each commit: built once, it costs a tenth.
@cache
def _due(
    table: type[Leased], share: InstrumentedAttribute[str] | None, only: ColumnElement[bool] | None
) -> Select[*tuple[Any, ...]]:
    """Return the statement that locks rows which are due and which nobody holds, the longest due first.

    The rows are locked by it, so the update behind it changes exactly those; an idle poll writes nothing.
    SQLite knows no row locks and drops the clause: its one writer is alone anyway.

    Beside each of them, and in a row of its own where there is none, stands for what to wait if nothing of
    this is to be had, in its first four columns: `_waits` reads them. The fifth is how many rows there were,
    locked by others or not, up to the limit.
    """
    now, limit = bindparam("now", type_=UTCDateTime()), bindparam("limit", type_=Integer())
    here = table.lease_boot == bindparam("boot", type_=Text())
    uptime: ColumnElement[float] = bindparam("uptime", type_=Double())
    ends_at_uptime = table.lease_ends_at_uptime
    # Two questions for two ranges of the same index. Of what is yet to be due the first row is enough; what
    # is due and held is no more than is being worked on.
    next_due = select(func.min(table.due_at)).where(table.due_at > now).scalar_subquery()
    held = (
        select(
            func.min(case((and_(here, ends_at_uptime > uptime), ends_at_uptime))).label("ends_at_uptime"),
            func.min(case((here, None), (table.lease_until > now, table.lease_until))).label("ends_at"),
            func.count(case((here, None), else_=1)).label("elsewhere"),
        )
        # `> NEVER` rather than `IS NOT NULL`, for which SQLite takes no index.
        .where(table.due_at > NEVER, table.due_at <= now, table.lease_until.is_not(None))
        .subquery()
    )
    claimable = select(table.id).where(is_claimable(table)).limit(limit).subquery()
    free = (
        select(table.id, table.lease_token, table.due_at, *([share] if share is not None else ()))
        .where(is_claimable(table), *([only] if only is not None else ()))
        .order_by(table.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    beside = [free.c.id, free.c.lease_token, *([free.c[share.key]] if share is not None else ())]
    counted = select(func.count()).select_from(claimable).scalar_subquery()
    looked = select(next_due.label("next_due_at"), held, counted.label("claimable"), *beside)
    return looked.select_from(held.outerjoin(free, true())).order_by(free.c.due_at)


def _waits(tx: Transaction, looked: RowTuple[Any], watching_seconds: float) -> list[float]:
    """Return in how many seconds another row can be claimed: when it is due, or when a lease runs out.

    What another machine holds is looked at again once the clock has been watched for long enough.
    """
    waits = [(at - tx.now).total_seconds() for at in (looked.next_due_at, looked.ends_at) if at is not None]
    if looked.ends_at_uptime is not None:
        waits.append(looked.ends_at_uptime - tx.began_at_uptime)
    if looked.elsewhere and watching_seconds:
        waits.append(watching_seconds)
    return waits


@cache
def _taken(table: type[Row], names: tuple[str, ...]) -> ReturningUpdate[Row]:
    """Return the statement that leases rows, and returns them. The values of the columns are `new_…`.

    That they are due was found now: should the clock be put back while they are held, they are due again
    once the lease has run out, and not only when the clock comes there for the second time. (`ClockWatch`)
    """
    columns = table.__table__.c
    return (
        update(table)
        .where(among(table.id, "ids"))
        .values({name: bindparam(f"new_{name}", type_=columns[name].type) for name in names})
        .returning(table)
        .options(lazyload("*"))
        .execution_options(synchronize_session=False)
    )


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


def end(row: Leased) -> None:
    """Have nobody hold a row, which is locked: whoever did finds that it is lost, and writes nothing."""
    row.lease_token = row.lease_until = row.lease_boot = row.lease_ends_at_uptime = None


def release(
    tx: Transaction,
    row: Row,
    claim: Claim[Row],
    due_at: datetime | None,
    *,
    not_before: datetime | None = None,
) -> float | None:
    """Give a row back, due at `due_at`, or at once if it was woken since it was claimed.

    Neither before `not_before`. Returns in how many seconds that is, None if it is due no more.
    """
    end(row)
    row.scheduled_at = tx.now
    woken = row.wakes != claim.wakes
    row.due_at = tx.now if woken else due_at
    if row.due_at is None:
        return None
    if not_before is not None:
        row.due_at = max(row.due_at, not_before)
    if row.due_at <= tx.now:
        tx.announce(due=type(row))
    return (row.due_at - tx.now).total_seconds()
