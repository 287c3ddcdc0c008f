"""What PostgreSQL alone is told: a write transaction's limits, the lock of the events, notices to others."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, Text, bindparam, case, func, select, true

from app.db.several import Several

# Who stands still in a write transaction (a process that is stopped, a network that is cut) loses it, and
# what it has locked, after this.
WRITE_IDLE_SECONDS = 5
# Shorter than the wait for a connection, so that those who wait for one locked row let the others through.
LOCK_WAIT_SECONDS = 4
# An advisory lock: any number that nobody else on the database uses.
EVENTS_LOCK = 0x70686B5F65767473
# Longer than anybody may stand still, so that those who wait for that lock outlive him.
EVENTS_WAIT_SECONDS = 10
# Of the settings of `synchronous_commit` those under which a commit that was told may be lost.
LOSING = ("off", "local")
CHANNEL = "presshook"


def _set_locally(name: str, value: object) -> ColumnElement[str]:
    """Set something for this transaction: a pooler's next client inherits nothing."""
    return func.set_config(name, value, true())


def limits() -> Sequence[ColumnElement[str]]:
    """Return what holds for every write transaction from its first statement."""
    found = func.current_setting("synchronous_commit")
    return (
        _set_locally("idle_in_transaction_session_timeout", f"{WRITE_IDLE_SECONDS}s"),
        _set_locally("lock_timeout", f"{LOCK_WAIT_SECONDS}s"),
        # As SQLite's `synchronous`: what is acknowledged outlives a crash, whatever the default is.
        _set_locally("synchronous_commit", case((found.in_(LOSING), "on"), else_=found)),
    )


def lock_events() -> Select[tuple[object, ...]]:
    """Take the lock under which events get their numbers, until the transaction ends."""
    return select(
        _set_locally("lock_timeout", f"{EVENTS_WAIT_SECONDS}s"), func.pg_advisory_xact_lock(EVENTS_LOCK)
    )


NOTIFY = select(
    func.pg_notify(
        CHANNEL, func.unnest(bindparam("payloads", type_=Several(Text())), type_=Text()).column_valued()
    )
)
"""Queues the payloads of a notice, which are delivered at the commit and only then."""
