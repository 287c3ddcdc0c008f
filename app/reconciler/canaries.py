"""Proves that a look-up sees: orders of ours that CloudPress surely has, and that its list has to show.

That an order is not in a list says nothing of itself: a list may be late, cut short, or of another account.
So those that we hold and that were sent shortly before and after the one which is looked for are looked for
as well. A list that shows all of them, as we expect them, would have shown the one.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import OrderSummary
from app.db.models import Order, Placement
from app.orders.attempts import can_have_landed
from app.reconciler.window import CLOCK_TOLERANCE, tells_same_kind
from app.states import Doubt

# How far from an attempt "shortly" is.
SPAN = timedelta(minutes=25)
MOST = 20


@dataclass
class Canary:
    """An order of ours that the list has to show, and how it did."""

    variant: str
    is_earlier: bool
    """Whether it was sent before the one that is looked for, and CloudPress itself named it."""
    is_later: bool
    """Whether it was sent after that."""
    cloudpress_sent_at: str | None
    """When it was sent by CloudPress's clock, if that was known, and which request made it as well."""
    is_listed: bool = False
    differs: bool = False
    """Whether it is told otherwise than it was ordered."""
    proves_age: bool = False
    """Whether its age is told as we know it."""

    def look_at(self, account_id: str, summary: OrderSummary, *, sending_seconds: float) -> None:
        """Note how the list shows it; a request takes up to `sending_seconds`."""
        self.is_listed = True
        self.differs = not tells_same_kind(summary, account_id, self.variant)
        if self.cloudpress_sent_at is None or summary.created_at is None:
            return
        sent_at = datetime.fromisoformat(self.cloudpress_sent_at)
        earliest = sent_at - CLOCK_TOLERANCE
        latest = sent_at + CLOCK_TOLERANCE + timedelta(seconds=sending_seconds)
        self.proves_age = earliest <= summary.created_at <= latest
        self.differs |= not self.proves_age

    def to_document(self) -> dict[str, Any]:
        """Return it as it is kept between passes."""
        return asdict(self)


def doubts_of(canaries: Iterable[Canary]) -> list[Doubt]:
    """Say what they leave open once the list was read."""
    found = tuple(canaries)
    doubts = []
    if not any(canary.is_earlier for canary in found):
        doubts.append(Doubt.NO_EARLIER_ORDER)
    if not any(canary.is_later for canary in found):
        doubts.append(Doubt.NO_LATER_ORDER)
    if not all(canary.is_listed for canary in found):
        doubts.append(Doubt.ORDERS_MISSING)
    if any(canary.differs for canary in found):
        doubts.append(Doubt.ORDERS_DIFFER)
    return doubts


async def find_canaries(
    session: AsyncSession, order: Order, attempts: tuple[Placement, ...]
) -> dict[str, Canary]:
    """Find the orders of the account that we hold and that were sent around the attempts of an order."""
    if not attempts:
        return {}
    first, last = attempts[0], attempts[-1]
    rows: dict[str, Any] = {}
    for attempt in (first, last):
        before = Placement.sent_at.between(attempt.sent_at - SPAN, attempt.sent_at)
        after = Placement.sent_at.between(attempt.sent_at, attempt.sent_at + SPAN)
        for statement in (
            _held(order, before).order_by(Placement.sent_at.desc()),
            _held(order, after).order_by(Placement.sent_at),
        ):
            for row in await session.execute(statement.limit(MOST)):
                # Of several attempts the one counts that CloudPress answered: it surely made the order.
                if _was_named(row) or row.cloudpress_order_id not in rows:
                    rows[row.cloudpress_order_id] = row
    return {
        order_id: Canary(
            row.variant,
            is_earlier=_was_named(row) and not _is_after(row.Placement, first),
            is_later=_was_named(row) and _is_after(row.Placement, last),
            cloudpress_sent_at=_iso(row.Placement.cloudpress_sent_at) if _was_named(row) else None,
        )
        for order_id, row in rows.items()
    }


def _held(order: Order, around: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(Order.cloudpress_order_id, Order.variant, Placement)
        .join(Placement, Placement.order_id == Order.id)
        .where(
            Order.account_id == order.account_id,
            Order.cloudpress_order_id.is_not(None),
            Order.id != order.id,
            can_have_landed(),
            around,
        )
    )


def _was_named(row: Any) -> bool:  # noqa: ANN401 - a row of `_held`
    """Tell whether CloudPress named the order in its answer to this very attempt."""
    return bool(row.Placement.cloudpress_order_id == row.cloudpress_order_id)


def _is_after(one: Placement, other: Placement) -> bool:
    """Tell whether an attempt was made after another, by a clock that both know and that steps the least.

    That is the machine's uptime if one machine made both, else CloudPress's clock, else the database's.
    """
    if one.sent_uptime is not None and other.sent_uptime is not None and one.sent_boot == other.sent_boot:
        return one.sent_uptime > other.sent_uptime
    if one.cloudpress_sent_at is not None and other.cloudpress_sent_at is not None:
        return one.cloudpress_sent_at > other.cloudpress_sent_at
    return one.sent_at > other.sent_at


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
