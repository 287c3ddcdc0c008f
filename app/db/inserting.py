"""How the events of a transaction are inserted: the last thing before its commit, whoever writes it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, insert

from app.db.models import Event
from app.db.notice import NewEvent, Notice
from app.db.postgresql import INSERT_EVENTS, as_given


def inserting(events: Sequence[NewEvent], notice: Notice, *, is_sqlite: bool) -> tuple[Executable, Any]:
    """Return the statement that inserts events in their order, and its parameters.

    On PostgreSQL it tells other processes of the notice as well; of SQLite nobody else hears.
    """
    if is_sqlite:
        return insert(Event), [event.columns() for event in events]
    return INSERT_EVENTS, as_given(events, notice)
