"""What happened, as it is stored: who may see which events, read by their numbers. The database only."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, cast, exists, func, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Event, Order, Pruning
from app.db.several import among
from app.events.types import EventType

BATCH = 500
WINDOW = 10_000
"""So many events are looked at in one read, however few of them are wanted.

There is no index by type, which every event would pay for as it is written, and none would bound what a key
for some accounts reads: whose an event is, its order tells.
"""
ORDERS = "order."
"""What the types of orders' events begin with. What concerns the service itself is kept."""
ACCOUNT_IDS = "account_ids"
"""Where the data of an event that concerns no order names the accounts that it concerns."""

ACCOUNT = select(Order.account_id).where(Order.id == Event.order_id).correlate(Event).scalar_subquery()
"""Whose order an event is of. Asked for event by event: a join may begin with all orders of the account, or
go through those of all accounts."""


@dataclass(frozen=True, eq=False)
class Happened:
    """An event, which account it concerns, and the order as it was shown if applications are told.

    What concerns no order concerns the accounts that its data names; where it names none it concerns the
    service, and is for those who may see all.
    """

    id: int
    order_id: UUID | None
    account_id: str | None
    type: str
    at: datetime
    data: dict[str, Any]
    shown: dict[str, Any] | None

    def is_within(self, account_ids: Collection[str]) -> bool:
        """Tell whether it concerns none but these accounts."""
        if self.order_id is not None:
            return self.account_id in account_ids
        named = self.data.get(ACCOUNT_IDS)
        return named is not None and all(account_id in account_ids for account_id in named)


# By their numbers, in which they were committed: clocks may have stepped between two of them.
_OF_TYPES = (
    select(Event.type, Event.data)
    .where(Event.order_id == bindparam("order_id"), among(Event.type, "types"))
    .order_by(Event.id)
)


async def what_happened(
    session: AsyncSession, order_id: UUID, types: Iterable[EventType]
) -> list[tuple[str, dict[str, Any]]]:
    """Return the types and the data of an order's events of some types, in the order of their commits."""
    asked = {"order_id": order_id, "types": [each.value for each in types]}
    return [(event.type, event.data) for event in await session.execute(_OF_TYPES, asked)]


@dataclass(frozen=True)
class Interest:
    """Which events someone wants, and may see. None means all."""

    order_id: UUID | None = None
    types: frozenset[str] | None = None
    account_ids: frozenset[str] | None = None

    def covers(self, happened: Happened) -> bool:
        """Tell whether an event is wanted."""
        return (
            self.order_id in {None, happened.order_id}
            and (self.types is None or happened.type in self.types)
            and (self.account_ids is None or happened.is_within(self.account_ids))
        )

    @property
    def is_sifted(self) -> bool:
        """Whether events have to be looked at to find those that are wanted: no index tells which."""
        return self.order_id is None and (self.types is not None or self.account_ids is not None)


async def look_on(
    session: AsyncSession, interest: Interest, *, after: int, up_to: int | None = None, limit: int = BATCH
) -> tuple[Sequence[Happened], int | None]:
    """Return what is wanted of the next window after a number, and after which number to go on.

    That is None at the end. Before it there may be nothing to return: no read takes longer for all that ever
    happened.
    """
    end = await end_of_window(session, after) if interest.is_sifted else None
    if end is not None and up_to is not None and end >= up_to:
        end = None
    found = await read_events(
        session, interest, after=after, up_to=up_to if end is None else end, limit=limit
    )
    return found, found[-1].id if len(found) == limit else end


async def end_of_window(session: AsyncSession, after: int) -> int | None:
    """Return the number of the last event of the window after a number, None where too few are left for one.

    By the events that there are, not by their numbers, of which pruning leaves few.
    """
    last = select(Event.id).where(Event.id > after).order_by(Event.id).offset(WINDOW - 1).limit(1)
    return await session.scalar(last)


async def begin_of_window(session: AsyncSession, up_to: int, size: int) -> int:
    """Return after which number the last `size` events up to a number begin, 0 if there are no others.

    By the events that there are, not by their numbers, as `end_of_window` does forward.
    """
    before = select(Event.id).where(Event.id <= up_to).order_by(Event.id.desc()).offset(size).limit(1)
    return await session.scalar(before) or 0


async def read_events(
    session: AsyncSession, interest: Interest, *, after: int, up_to: int | None = None, limit: int = BATCH
) -> Sequence[Happened]:
    """Return events after a number, the oldest first; of what is sifted, all up to `up_to` are looked at."""
    wanted = (
        select(Event.id, Event.order_id, ACCOUNT, Event.type, Event.at, Event.data, Event.shown)
        .where(Event.id > after)
        .order_by(Event.id)
        .limit(limit)
    )
    if up_to is not None:
        wanted = wanted.where(Event.id <= up_to)
    if interest.order_id is not None:
        wanted = wanted.where(Event.order_id == interest.order_id)
    if interest.types is not None:
        wanted = wanted.where(Event.type.in_(sorted(interest.types)))
    if interest.account_ids is not None:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        wanted = _of_accounts(wanted, sorted(interest.account_ids), limit=limit, is_sqlite=is_sqlite)
    return [Happened(*row) for row in await session.execute(wanted)]


def _of_accounts(wanted: Select[Any], account_ids: list[str], *, limit: int, is_sqlite: bool) -> Select[Any]:
    """Narrow down to what `Happened.is_within` tells of.

    Orders' events and the others are read each from their own index and merged, in one statement: of two,
    the second would see what was committed after the first, and a number in between would be skipped.
    """
    parts = (
        wanted.where(ACCOUNT.in_(account_ids)),
        wanted.where(Event.order_id.is_(None), _names_none_but(account_ids, is_sqlite=is_sqlite)),
    )
    merged = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return select(merged).order_by(merged.c.id).limit(limit)


def _names_none_but(account_ids: list[str], *, is_sqlite: bool) -> ColumnElement[bool]:
    if not is_sqlite:
        within: ColumnElement[bool] = cast(Event.data[ACCOUNT_IDS], JSONB).contained_by(
            cast(account_ids, JSONB)
        )
        return within
    path = f"$.{ACCOUNT_IDS}"
    named = func.json_each(Event.data, path).table_valued("value")
    others = exists().select_from(named).where(named.c.value.not_in(account_ids))
    return (func.json_type(Event.data, path) == "array") & ~others


async def gone_through(session: AsyncSession, interest: Interest) -> int:
    """Return the number up to which events of interest may be gone; of those above it none is.

    Asked after events were read, it tells of what was pruned meanwhile as well.
    """
    if interest.types is not None and not any(each.startswith(ORDERS) for each in interest.types):
        return 0
    pruned = select(func.max(Pruning.events_gone_through))
    if interest.order_id is not None:
        is_stripped = exists().where(Order.id == interest.order_id, Order.stripped_at.is_not(None))
        if interest.account_ids is not None:
            is_stripped = is_stripped.where(Order.account_id.in_(interest.account_ids))
        pruned = pruned.where(is_stripped)
    return (await session.execute(pruned)).scalar() or 0


async def newest_event(session: AsyncSession) -> int:
    """Return the number of the newest event, 0 if there is none."""
    return (await session.execute(select(func.coalesce(func.max(Event.id), 0)))).scalar_one()
