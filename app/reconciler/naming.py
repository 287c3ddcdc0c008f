"""What CloudPress has named as an order since an operator said that it is not: his word was about less."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Order
from app.db.notice import NewEvent
from app.events.reading import what_happened
from app.events.types import EventType
from app.reconciler.callback_hints import Named
from app.reconciler.evidence import Sent
from app.reconciler.passes import Pass
from app.reconciler.window import spelt_among

_SETTLING = {
    EventType.DUPLICATES_DISMISSED,
    EventType.DUPLICATE_ENDED,
    EventType.IDENTIFIED,
    EventType.RESOLUTION_REQUESTED,
}
_NAMING = {EventType.PLACEMENT_ENDED, EventType.CALLBACK_RECEIVED}
_NO_TASKS: Mapping[int, Collection[str]] = {}


async def named_anew(this: Pass, sent: Sent, called_back: Named) -> frozenset[str]:
    """Return which of the CloudPress orders that were settled an answer or the own callback has named since.

    A look-up that finds it again says nothing new, nor does a repeat of a callback.
    """
    own = set(called_back.order_ids)
    of_tasks = {task_id: own.intersection(ids) for task_id, ids in called_back.of_tasks.items()}
    named = {*sent.answered_ids}.union(*of_tasks.values())
    if named.isdisjoint(this.order.settled_duplicates or ()):
        return frozenset()  # no transaction is begun for that
    async with this.dependencies.db.read() as session:
        return await named_since(session, this.order, of_tasks)


async def named_since(
    session: AsyncSession,
    order: Order,
    of_tasks: Mapping[int, Collection[str]] = _NO_TASKS,
    *,
    recorded: Iterable[NewEvent] = (),
) -> frozenset[str]:
    """Return which of the CloudPress orders that were settled CloudPress has named since.

    `of_tasks` are those that the tasks lead to which the order's own callbacks name. What was cancelled or
    has failed at CloudPress, or is another order's here, stays settled. `recorded` are the events of the
    transaction itself, which are inserted as it ends.
    """
    settled = set(order.settled_duplicates or ())
    before, since, over, heard = set[str](), set[str](), set[str](), set[int]()
    told = await what_happened(session, order.id, sorted(_SETTLING | _NAMING))
    told += [(event.type, event.data) for event in recorded if event.order_id == order.id]
    for happened, data in told:
        if happened == EventType.PLACEMENT_ENDED:
            since |= before & {spelt_among(before, data.get("cloudpress_order_id") or "")}
        elif happened == EventType.CALLBACK_RECEIVED:
            task_id: int = data.get("task_id", -1)
            if task_id in of_tasks and task_id not in heard:
                since |= before.intersection(of_tasks[task_id])
                heard.add(task_id)
        elif happened in _SETTLING:
            # A word about the order is about all that was known of it then.
            ids = settled if happened == EventType.RESOLUTION_REQUESTED else settled & _about(data)
            before |= ids
            since -= ids
            over |= ids if happened == EventType.DUPLICATE_ENDED else set()
    return frozenset(since - over)


def _about(told: dict[str, Any]) -> set[str]:
    """Return what an event settles: what it names, or what was taken from the order and given to another."""
    if "instead_of" in told:
        return {told["instead_of"]} if told.get("cloudpress_order_id") is None else set()
    return {*(told.get("cloudpress_order_ids") or [told.get("cloudpress_order_id")])}
