"""Watches the database's clock for steps, and mends what was scheduled by a clock that was ahead.

The database's clock says when a row is due and, to other machines than the holder's, when a lease ends. It
may be put forward, so that leases seem to have run out, or back, so that what is due "in an hour" by the old
time would wait an hour. Steps are seen by comparing it with the machine's uptime, which has none.
"""

from datetime import timedelta
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, select, update

from app.db.models import Leased, Order
from app.db.transactions import Transaction

# What differs by less may be the time that a statement took, or replicas that see a slewing clock.
STEP_SECONDS = 5.0
MENDED_EVERY_SECONDS = 60.0

log = structlog.get_logger()


class ClockWatch:
    """What one process has seen of the database's clock."""

    def __init__(self) -> None:
        """Begin to watch with the first transaction that is shown."""
        self._ahead_seconds: float | None = None
        """By how much the database's clock is ahead of the uptime."""
        self._since_uptime = 0.0
        """Since when it has not stepped, as far as was seen."""
        self._mend_at_uptime = 0.0

    def see(self, tx: Transaction) -> None:
        """Compare the clocks."""
        ahead = tx.now.timestamp() - tx.began_at_uptime
        # An answer that was long in coming says neither that the clock has stepped nor that it has not.
        was_late = tx.seconds_so_far() > STEP_SECONDS
        if was_late or self._ahead_seconds is None:
            self._since_uptime = self._mend_at_uptime = tx.began_at_uptime
        elif abs(ahead - self._ahead_seconds) > STEP_SECONDS:
            log.warning("clock_stepped", seconds=round(ahead - self._ahead_seconds, 1))
            self._since_uptime = self._mend_at_uptime = tx.began_at_uptime
        self._ahead_seconds = None if was_late else ahead

    def seconds_to_watch(self, tx: Transaction, lease_seconds: float) -> float:
        """Return for how long the clock has to go on without a step before the end of a lease is believed.

        Whoever has just begun to watch cannot know of a step that was right before.
        """
        return max(0.0, self._since_uptime + lease_seconds - tx.began_at_uptime)

    async def mend(self, tx: Transaction, table: type[Leased]) -> bool:
        """Now and then, and after a step, reschedule what was scheduled at a time that is yet to come.

        An order is looked at now, which costs a look. A delivery waits again for as long as it was to: its
        attempts are counted, and a clock that steps may not use them up.

        Returns False if it is left to the next transaction, which is to be soon.
        """
        if tx.began_at_uptime < self._mend_at_uptime:
            return True
        self._mend_at_uptime = tx.began_at_uptime + MENDED_EVERY_SECONDS
        moment = {"now": tx.now, "ahead": tx.now + timedelta(seconds=STEP_SECONDS)}
        connection = await tx.session.connection()
        found = (await connection.execute(_scheduled_ahead(table), moment)).all()
        if not found:
            return True
        if tx.seconds_so_far() > STEP_SECONDS:
            # Whoever stood still since it read the clock sees as ahead what was scheduled since.
            self._mend_at_uptime = tx.began_at_uptime
            return False
        log.warning("clock_was_ahead", table=table.__tablename__, rows=len(found))
        if table is Order:
            mended: dict[str, Any] = {"due_at": tx.now, "scheduled_at": tx.now, "not_before": None}
            due_now = update(table).where(table.id.in_([row.id for row in found])).values(**mended)
            await tx.session.execute(due_now.execution_options(synchronize_session=False))
            return True
        waiting_again = [
            {"id": row.id, "due_at": tx.now + (row.due_at - row.scheduled_at), "scheduled_at": tx.now}
            for row in found
        ]
        await tx.session.execute(update(table), waiting_again)
        return True


@cache
def _scheduled_ahead(table: type[Leased]) -> Select[*tuple[Any, ...]]:
    """Return the statement that locks rows which were scheduled at a time that is yet to come."""
    ahead = table.due_at > bindparam("now"), table.scheduled_at > bindparam("ahead")
    return select(table.id, table.due_at, table.scheduled_at).where(*ahead).with_for_update(skip_locked=True)
