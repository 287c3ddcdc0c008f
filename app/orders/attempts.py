"""What is known of the attempts to place an order."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from app.db.database import Database
from app.db.models import RESTORED, Placement
from app.db.several import one_of
from app.states import NOTHING_LANDED, may_have_landed


def can_have_landed() -> ColumnElement[bool]:
    """Return the condition that an attempt can have made an order: as `may_have_landed`, in SQL."""
    return or_(Placement.outcome.is_(None), ~one_of(Placement.outcome, sorted(NOTHING_LANDED)))


def nothing_landed(attempts: Iterable[Placement]) -> bool:
    """Tell whether none of the attempts can have made an order."""
    return not any(may_have_landed(attempt.outcome) for attempt in attempts)


def may_be_unknown(attempts: Iterable[Placement]) -> bool:
    """Tell whether an order may have been sent without our knowing: when its database was restored."""
    return any(attempt.callback_key_id == RESTORED for attempt in attempts)


async def find_placing_trace(db: Database, order_id: UUID) -> str | None:
    """Return the trace (W3C `traceparent`) in which an order was placed last, None if none is known."""
    last = select(Placement.traceparent).where(Placement.order_id == order_id)
    async with db.read() as session:
        return (await session.execute(last.order_by(Placement.attempt.desc()).limit(1))).scalar_one_or_none()
