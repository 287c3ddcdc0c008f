"""What was known of an order when it was claimed, read for all that are claimed together.

News that comes after it raises `wakes`, and the order is looked at again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.orm import lazyload

from app.db.models import Callback, Order, Placement, Task
from app.db.several import among
from app.db.transactions import Transaction
from app.db.unindexed import none_of
from app.orders.claims import IS_OWN_TASK, MAY_BE_NAMED_FOR_ANOTHER
from app.reconciler.loaded import CALLBACKS, rows_by_order
from app.states import OrderStatus

_IS_OWN = case((IS_OWN_TASK, True), else_=Task.is_own)
# Most orders that are looked at were not called back yet, and nothing more is to be read of them.
_IS_CALLED_BACK = ~none_of(Order, Callback.order_id == Order.id)
# Mostly there is one attempt, so that it stands beside each task without a cost.
_PLACEMENTS_AND_TASKS = (
    select(Order.id, Placement, Task.id, _IS_OWN, MAY_BE_NAMED_FOR_ANOTHER, _IS_CALLED_BACK)
    .outerjoin(Placement, Placement.order_id == Order.id)
    .outerjoin(Task, Task.order_id == Order.id)
    .where(among(Order.id, "ids"))
    .order_by(Order.id, Placement.attempt)
    .options(lazyload("*"))
)


@dataclass(frozen=True)
class Known:
    """What is known of an order beside its row."""

    placements: tuple[Placement, ...]
    """The attempts to place it, the first one first."""
    callbacks: tuple[Callback, ...]
    """Those that were let in, the newest first."""
    task_ids: frozenset[int]
    """Its tasks, as CloudPress linked them with it or answered it with them."""
    own_task_ids: frozenset[int]
    """Those that CloudPress showed as tasks of what the order holds."""
    unread_task_ids: frozenset[int]
    """Those of which it never has: an answer or a list named them, and no more."""
    may_be_named_for_another: bool
    """Whether what the order holds was named in an answer to another one, or may be in a callback for one."""
    at: datetime
    """When it was read, by the database's clock, and by this machine's uptime."""
    at_uptime: float

    @property
    def speaking(self) -> tuple[Callback, ...]:
        """The callbacks that no operator has overruled."""
        return tuple(callback for callback in self.callbacks if callback.overruled_at is None)


async def read_known(tx: Transaction, orders: Sequence[Order]) -> dict[UUID, Known]:
    """Return what is known of each order that was just claimed and has been sent before."""
    ids = [order.id for order in orders if order.status != OrderStatus.PENDING]
    if not ids:
        return {}
    placements: defaultdict[UUID, dict[Placement, None]] = defaultdict(dict)
    tasks: defaultdict[UUID, dict[int, bool | None]] = defaultdict(dict)
    answered: dict[UUID, bool] = {}
    called_back = set[UUID]()
    rows = await tx.session.execute(_PLACEMENTS_AND_TASKS, {"ids": ids})
    for order_id, placement, task_id, is_own, is_answered, is_called_back in rows:
        answered[order_id] = is_answered
        if placement is not None:
            placements[order_id][placement] = None
        if task_id is not None:
            tasks[order_id][task_id] = is_own
        if is_called_back:
            called_back.add(order_id)
    callbacks = await rows_by_order(tx.session, CALLBACKS, sorted(called_back)) if called_back else {}
    return {
        order_id: Known(
            tuple(placements[order_id]),
            tuple(callbacks.get(order_id, ())),
            frozenset(tasks[order_id]),
            frozenset(task_id for task_id, is_own in tasks[order_id].items() if is_own),
            frozenset(task_id for task_id, is_own in tasks[order_id].items() if is_own is None),
            answered[order_id],
            tx.now,
            tx.began_at_uptime,
        )
        for order_id in ids
    }
