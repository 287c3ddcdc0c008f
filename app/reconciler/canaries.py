"""Proves that a look-up sees: orders of ours that CloudPress surely has, and that its list has to show.

That an order is not in a list says nothing of itself: a list may be late, cut short, or of another account.
So those that we hold and that were sent shortly before and after the one which is looked for are looked for
as well. A list that shows all of them, as we expect them, would have shown the one.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import OrderSummary
from app.db.columns import UTCDateTime
from app.db.models import Order, Placement
from app.db.unindexed import unindexed
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
    cloudpress_sent_at: str | None = None
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
    ours = {"account_id": order.account_id, "order_id": order.id}
    rows: dict[str, Any] = {}
    for moment in dict.fromkeys((first.sent_at, last.sent_at)):
        for statement, since, until in (
            (_LATEST, moment - SPAN, moment),
            (_EARLIEST, moment, moment + SPAN),
        ):
            for row in await session.execute(statement, {**ours, "since": since, "until": until}):
                # Of several attempts the one counts that CloudPress answered: it surely made the order.
                if _was_named(row) or row.cloudpress_order_id not in rows:
                    rows[row.cloudpress_order_id] = row
    return {
        order_id: Canary(
            row.variant,
            is_earlier=_was_named(row) and not _is_after(row, first),
            is_later=_was_named(row) and _is_after(row, last),
            cloudpress_sent_at=_iso(row.cloudpress_sent_at) if _was_named(row) else None,
        )
        for order_id, row in rows.items()
    }


def _sent_within() -> Select[*tuple[Any, ...]]:
    """Return the statement for what we hold of an account and sent within a span, another order's."""
    return (
        select(
            Order.cloudpress_order_id,
            Order.variant,
            Placement.cloudpress_order_id.label("answered"),
            Placement.sent_at,
            Placement.sent_boot,
            Placement.sent_uptime,
            Placement.cloudpress_sent_at,
        )
        .join(Placement, Placement.order_id == Order.id)
        .where(
            # So the attempts of the span come first, and not all orders of the account.
            unindexed(Order.account_id) == bindparam("account_id"),
            Order.cloudpress_order_id.is_not(None),
            Order.id != bindparam("order_id"),
            can_have_landed(),
            Placement.sent_at.between(
                bindparam("since", type_=UTCDateTime()), bindparam("until", type_=UTCDateTime())
            ),
        )
        .limit(MOST)
    )


_LATEST = _sent_within().order_by(Placement.sent_at.desc())
_EARLIEST = _sent_within().order_by(Placement.sent_at)


def _was_named(row: Any) -> bool:  # noqa: ANN401 - a row of `_sent_within`
    """Tell whether CloudPress named the order in its answer to this very attempt."""
    return bool(row.answered == row.cloudpress_order_id)


class _Sent(Protocol):
    """When an attempt was sent, by each clock that told it."""

    sent_at: Any
    sent_boot: Any
    sent_uptime: Any
    cloudpress_sent_at: Any


def _is_after(one: _Sent, other: _Sent) -> bool:
    """Tell whether an attempt was made after another, by a clock that both know and that steps the least.

    That is the machine's uptime if one machine made both, else CloudPress's clock, else the database's.
    """
    if one.sent_uptime is not None and other.sent_uptime is not None and one.sent_boot == other.sent_boot:
        return bool(one.sent_uptime > other.sent_uptime)
    if one.cloudpress_sent_at is not None and other.cloudpress_sent_at is not None:
        return bool(one.cloudpress_sent_at > other.cloudpress_sent_at)
    return bool(one.sent_at > other.sent_at)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
