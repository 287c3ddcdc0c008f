"""How far the look-up of an order has come, and what the complete ones have shown: kept between passes."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import OrderSummary
from app.db.lasting import Moment
from app.db.models import LookUp, Order, Stranger
from app.db.several import among
from app.db.transactions import Transaction
from app.db.upserts import insert_into
from app.events.timeline import record
from app.events.types import EventType
from app.reconciler.canaries import Canary
from app.states import Doubt, Trouble

MAX_ENTRIES = 20_000
# Pages in a row that bring nothing new, so that a list which never ends is not read for ever.
IDLE_PAGES = 3
# What a newer release has found missing may be of the list.
LIST_DOUBTS = frozenset({Doubt.LIST_REPEATS, Doubt.LIST_SHIFTED, Doubt.LIST_TOO_LONG, Doubt.UNKNOWN})
_DOUBTS = {str(doubt): doubt for doubt in Doubt}
IDLE = ""
"""Stands for a page without news."""


@dataclass
class Progress:
    """How far a look-up has come, and what the complete ones since the last attempt have shown."""

    attempt: int = 0
    known_since: dict[str, float] = field(default_factory=dict)
    begun_at: datetime | None = None
    begun_late: bool = False
    page: int | None = 1
    pages: list[str] = field(default_factory=list)
    entries: int = 0
    listed: dict[str, str | None] = field(default_factory=dict)
    """What was listed, and when CloudPress says that it was made."""
    canaries: dict[str, Canary] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)
    completed: int = 0
    doubts: list[Doubt] = field(default_factory=list)
    last_begun_at: datetime | None = None
    ended_boot: str | None = None
    ended_uptime: float | None = None
    claimed: list[str] = field(default_factory=list)
    """What its own callbacks named, and another order has by its name alone."""
    unshown: dict[str, int] = field(default_factory=dict)
    """At how many looks in a row each of those was not shown that are listed and were not at the last."""
    adopted_in_vain: bool = False
    """Whether an operator named a CloudPress order as this one since the attempt that it cannot be."""
    ruled_out: frozenset[str] = frozenset()
    """What operators knew of who had the order placed again, also before the last attempt."""
    trouble: Trouble | None = None
    may_be_told_soon: bool = False
    """Whether a callback may be about to tell which one it is."""

    @property
    def open_doubts(self) -> tuple[Doubt, ...]:
        """What the last look-up leaves open, and what an operator has seen and could not have adopted."""
        return (*self.doubts, Doubt.ADOPTED_IN_VAIN) if self.adopted_in_vain else tuple(self.doubts)

    @property
    def is_complete(self) -> bool:
        """Whether no look-up is under way."""
        return self.begun_at is None

    @property
    def has_ended(self) -> bool:
        """Whether none is under way, and one has ended."""
        return self.is_complete and self.last_begun_at is not None

    @property
    def is_listed(self) -> bool:
        """Whether there is no page left to ask for."""
        return self.page is None

    @property
    def is_whole(self) -> bool:
        """Whether the list was read to its end the last time, with nothing left out."""
        return not LIST_DOUBTS & set(self.doubts)

    @property
    def understands_ages(self) -> bool:
        """Whether orders that we know are told as old as they are."""
        canaries = self.canaries.values()
        return any(it.proves_age for it in canaries) and not any(it.differs for it in canaries)

    @classmethod
    def of(cls, row: LookUp | None, attempt: int) -> Self:
        """Return what was kept since an attempt, or none: what look-ups before it have shown says nothing.

        What its own callbacks named before it is no less its own for that, unless an operator knew of it.
        """
        ruled_out = frozenset(row.ruled_out if row is not None else ())
        if row is None or row.attempt != attempt:
            claimed = [it for it in (row.claimed or () if row is not None else ()) if it not in ruled_out]
            return cls(attempt=attempt, ruled_out=ruled_out, claimed=claimed)
        return cls(
            attempt=attempt,
            ruled_out=ruled_out,
            known_since=dict(row.known_since),
            begun_at=row.begun_at,
            begun_late=row.begun_late,
            page=row.page,
            pages=list(row.pages),
            entries=row.entries,
            listed=dict(row.listed),
            canaries={order_id: Canary(**kept) for order_id, kept in row.canaries.items()},
            unseen=list(row.unseen),
            candidates=list(row.candidates),
            suspects=list(row.suspects),
            completed=row.completed,
            doubts=_doubts_of(row),
            last_begun_at=row.last_begun_at,
            ended_boot=row.ended_boot,
            ended_uptime=row.ended_uptime,
            claimed=list(row.claimed or ()),
            unshown=dict(row.unshown or {}),
            adopted_in_vain=row.adopted_in_vain,
        )

    def begin(self, now: datetime, *, late: bool, canaries: dict[str, Canary]) -> None:
        """Begin a look-up. What was found before is looked at again, also where it is not listed any more."""
        self.begun_at, self.begun_late = now, late
        self.page, self.pages, self.entries, self.listed = 1, [], 0, {}
        self.canaries = canaries
        self.unseen = [*self.candidates, *self.suspects, *self.unseen]
        self.candidates, self.suspects, self.doubts = [], [], []

    def note_unshown(self, order_id: str) -> None:
        """Count a look at which an order was not shown that is listed."""
        self.unshown[order_id] = self.unshown.get(order_id, 0) + 1

    def look_again(self) -> None:
        """Count nothing that was seen before now: what held the order off may have let it land meanwhile."""
        self.begun_at = self.last_begun_at = None
        self.completed = 0

    def age_seconds(self, now: Moment) -> float | None:
        """Return how long ago the last look-up ended, None if none has."""
        if not self.has_ended or self.last_begun_at is None:
            return None
        if self.ended_boot == now.boot and self.ended_uptime is not None:
            return now.uptime - self.ended_uptime
        return abs((now.wall - self.last_begun_at).total_seconds())

    def turn(self, page: Sequence[OrderSummary]) -> None:
        """Note a page of the list, and whether there is another to ask for.

        An empty page is the end. One that was there before, or several without news, show that asking on
        leads nowhere, and that the list is not known whole. So does an entry that comes twice: where the list
        shifted while it was read, another may have slipped through.
        """
        new = [summary for summary in page if summary.id not in self.listed]
        digest = _digest(page)
        for summary in page:
            self.listed[summary.id] = summary.created_at.isoformat() if summary.created_at else None
        self.entries += len(page)
        if not page:
            self.page = None
            if self.entries != len(self.listed):
                self.doubts.append(Doubt.LIST_SHIFTED)
        elif digest in self.pages or (not new and self.pages[1 - IDLE_PAGES :] == [IDLE] * (IDLE_PAGES - 1)):
            self._stop(Doubt.LIST_REPEATS)
        elif self.entries > MAX_ENTRIES:
            self._stop(Doubt.LIST_TOO_LONG)
        elif self.page is not None:
            self.page += 1
        self.pages.append(digest if new else IDLE)

    def _stop(self, doubt: Doubt) -> None:
        self.page = None
        self.doubts.append(doubt)

    def end(self, boot: str, uptime: float, *, doubts: Iterable[Doubt]) -> None:
        """Note that the look-up under way has seen everything that it could, and what it leaves open."""
        self.doubts = _in_order((*self.doubts, *doubts))
        # In one order, so that what a person is told does not change with that of the list.
        self.candidates, self.suspects = sorted(self.candidates), sorted(self.suspects)
        self.last_begun_at, self.begun_at = self.begun_at, None
        self.ended_boot, self.ended_uptime = boot, uptime
        self.completed += self.is_whole
        found = {*self.unseen, *self.candidates, *self.suspects}
        self.unshown = {order_id: looks for order_id, looks in self.unshown.items() if order_id in found}

    async def save(self, tx: Transaction, order: Order) -> None:
        """Keep the progress, and tell of a look-up that ended and showed something else than the last."""
        row = await kept(tx.session, order.id)
        shown = (sorted(self.candidates), sorted(self.suspects))
        if row is None:
            row = LookUp(order_id=order.id, completed=0, candidates=[], suspects=[], unseen=[])
            tx.session.add(row)
        if self.has_ended and self.last_begun_at != row.last_begun_at:
            doubts = [str(doubt) for doubt in self.doubts]
            before = (sorted(row.candidates), sorted(row.suspects), [*map(str, _doubts_of(row))])
            if row.last_begun_at is None or (*shown, doubts) != before:
                record(
                    tx, order.id, EventType.LOOKED_UP, candidates=shown[0], suspects=shown[1], doubts=doubts
                )
            await self._keep_strangers(tx, order)
        for name in KEPT:
            setattr(row, name, getattr(self, name))
        row.canaries = {order_id: canary.to_document() for order_id, canary in self.canaries.items()}
        # The release before this one looks for it as well, and breaks on a doubt that it does not know.
        row.doubts = [str(doubt) for doubt in self.doubts if doubt is not Doubt.TAKEN_BY_NAME]
        row.taken_by_name = Doubt.TAKEN_BY_NAME in self.doubts

    async def _keep_strangers(self, tx: Transaction, order: Order) -> None:
        """Remember what nobody of ours holds: an order that is sent after this cannot be it."""
        listed = set(self.listed)
        if not listed:
            return
        known = {"account_id": order.account_id, "listed": sorted(listed)}
        rows = [
            {"account_id": order.account_id, "cloudpress_order_id": order_id, "seen_at": tx.now}
            for order_id in sorted(listed - set(await tx.session.scalars(_KNOWN, known)))
        ]
        if rows:
            # Whoever looks for another order of the account may write the same at the same time.
            insert = insert_into(Stranger, is_sqlite=tx.session.get_bind().dialect.name == "sqlite")
            # Row by row: a statement takes only so many parameters, and an account may have more orders.
            connection = await tx.session.connection()
            await connection.execute(insert.on_conflict_do_nothing(), rows)


KEPT = (
    "attempt",
    "known_since",
    "begun_at",
    "begun_late",
    "page",
    "pages",
    "entries",
    "listed",
    "unseen",
    "candidates",
    "suspects",
    "completed",
    "last_begun_at",
    "ended_boot",
    "ended_uptime",
    "claimed",
    "unshown",
    "adopted_in_vain",
)


_OF_ORDER = select(LookUp).where(LookUp.order_id == bindparam("order_id"))
_KNOWN = select(Stranger.cloudpress_order_id).where(
    Stranger.account_id == bindparam("account_id"), among(Stranger.cloudpress_order_id, "listed")
)


async def kept(session: AsyncSession, order_id: UUID) -> LookUp | None:
    """Return the look-up of an order as it was kept, None if there was none."""
    return (await session.scalars(_OF_ORDER, {"order_id": order_id})).one_or_none()


def _doubts_of(row: LookUp) -> list[Doubt]:
    """Return what a look-up left open; what a newer release has stored is no less open for that."""
    doubts = [_DOUBTS.get(it, Doubt.UNKNOWN) for it in row.doubts or ()]
    return _in_order([*doubts, Doubt.TAKEN_BY_NAME] if row.taken_by_name else doubts)


def _in_order(doubts: Iterable[Doubt]) -> list[Doubt]:
    """Return each doubt once, in one order, so that a person is told the same of the same."""
    return sorted(set(doubts), key=[*_DOUBTS].index)


def _digest(page: Sequence[OrderSummary]) -> str:
    ids = "\n".join(summary.id for summary in page)
    return hashlib.sha256(ids.encode()).hexdigest()[:12]
