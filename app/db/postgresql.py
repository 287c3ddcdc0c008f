"""What PostgreSQL alone is told: a write transaction's limits, the lock of the events, notices to others."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, func, select, text, true

from app.db.notice import NewEvent, Notice
from app.db.several import Several
from app.db.texts import as_json

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


_SYNCHRONOUS_COMMIT = func.current_setting("synchronous_commit")
LIMITS: Final[Sequence[ColumnElement[str]]] = (
    _set_locally("idle_in_transaction_session_timeout", f"{WRITE_IDLE_SECONDS}s"),
    _set_locally("lock_timeout", f"{LOCK_WAIT_SECONDS}s"),
    # As SQLite's `synchronous`: what is acknowledged outlives a crash, whatever the default is.
    _set_locally(
        "synchronous_commit", case((_SYNCHRONOUS_COMMIT.in_(LOSING), "on"), else_=_SYNCHRONOUS_COMMIT)
    ),
)
"""What holds for every write transaction from its first statement."""


# One statement for all that comes before the commit. The numbers are given to what has been joined with the
# lock and sorted, so only once the lock is held.
INSERT_EVENTS = text("""
    WITH locked AS MATERIALIZED (
        SELECT set_config('lock_timeout', :wait, true),
               pg_advisory_xact_lock(:lock),
               (SELECT count(pg_notify(:channel, payload)) FROM unnest(:payloads) AS payload)
    )
    INSERT INTO events (order_id, type, at, data, shown)
    SELECT (item->>'order_id')::uuid, item->>'type', (item->>'at')::timestamptz, item->'data',
           nullif(item->'shown', 'null')
    FROM locked, jsonb_array_elements(CAST(:events AS jsonb)) WITH ORDINALITY AS given(item, number)
    ORDER BY number
""").bindparams(bindparam("payloads", type_=Several(Text())), bindparam("lock", type_=BigInteger()))
"""Takes the lock of the events until the transaction ends, queues a notice, and inserts events in order."""


def as_given(events: Sequence[NewEvent], notice: Notice) -> dict[str, Any]:
    """Return events, and the notice of their transaction, as `INSERT_EVENTS` is given them."""
    documents = [
        {
            **each.columns(),
            "order_id": None if each.order_id is None else str(each.order_id),
            "at": each.at.isoformat(),
        }
        for each in events
    ]
    return {
        "wait": f"{EVENTS_WAIT_SECONDS}s",
        "lock": EVENTS_LOCK,
        "channel": CHANNEL,
        "payloads": notice.payloads,
        "events": as_json(documents),
    }


NOTIFY = select(
    func.pg_notify(
        CHANNEL, func.unnest(bindparam("payloads", type_=Several(Text())), type_=Text()).column_valued()
    )
)
"""Queues the payloads of a notice, which are delivered at the commit and only then."""
