"""Callbacks that were let in: stored, counted, and their order made due. Never believed."""

import hashlib
import json
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Callback, Order
from app.events.timeline import record
from app.events.types import EventType
from app.orders.waking import make_due
from app.states import FINAL

MAX_BODIES_PER_ORDER = 20
MAX_ID_DIGITS = 19


@repeated
async def record_callback(db: Database, order_id: UUID, body: bytes) -> bool:
    """Store a callback whose `Authorization` was right and make its order due.

    Returns False if there is no such order. A body that came before is counted, not stored again; so is
    any further one once an order has had an absurd number of different ones.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None:
            return False
        known = select(Callback).where(Callback.order_id == order_id).order_by(Callback.id.desc())
        callbacks = (await tx.session.scalars(known)).all()
        digest = hashlib.sha256(body).hexdigest()
        same = next((callback for callback in callbacks if callback.body_sha256 == digest), None)
        if same is None and len(callbacks) >= MAX_BODIES_PER_ORDER:
            same = callbacks[0]
        news = same is None
        if same is not None:
            same.count += 1
            same.last_received_at = tx.now
            if same.count.bit_count() == 1:  # of many, the second, fourth, eighth, …
                record(tx, order_id, EventType.CALLBACK_REPEATED, task_id=same.task_id, count=same.count)
        else:
            hint = task_id_hint(body)
            tx.session.add(
                Callback(
                    order_id=order_id,
                    body_sha256=digest,
                    body=body,
                    task_id=hint,
                    first_received_at=tx.now,
                    last_received_at=tx.now,
                )
            )
            record(tx, order_id, EventType.CALLBACK_RECEIVED, task_id=hint, bytes=len(body))
        # A final order is looked at only to see whether the callback is of another order that is its double.
        if news or order.status not in FINAL:
            make_due(tx, order)
        return True


def task_id_hint(body: bytes) -> int | None:
    """Return the task id in a callback's body under any shape that it may have, None if there is none.

    (provider page: the body's shape is not documented; `{"task": {"id"}}`, the task's fields at the top
    and `{"task_id"}` are inferred)
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    task = document.get("task")
    nested = task.get("id") if isinstance(task, dict) else task
    candidates = [nested, document.get("task_id"), document.get("id")]
    return next((number for number in map(_number, candidates) if number is not None), None)


def _number(value: object) -> int | None:
    if isinstance(value, str) and len(value) <= MAX_ID_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        return None
    return value
