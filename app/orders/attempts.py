"""What is known of the attempts to place an order."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, or_

from app.db.models import Placement
from app.states import NOTHING_LANDED, may_have_landed


def can_have_landed() -> ColumnElement[bool]:
    """Return the condition that an attempt can have made an order: as `may_have_landed`, in SQL."""
    return or_(Placement.outcome.is_(None), Placement.outcome.not_in(NOTHING_LANDED))


def nothing_landed(attempts: Iterable[Placement]) -> bool:
    """Tell whether none of the attempts can have made an order."""
    return not any(may_have_landed(attempt.outcome) for attempt in attempts)
