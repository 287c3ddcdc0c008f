"""The tasks that answers named, whenever they came: each may say that the answer names another's order."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import TaskRef
from app.db.models import Order
from app.events.reading import what_happened
from app.events.types import EventType


async def answered_tasks(session: AsyncSession, order: Order, cloudpress_order_id: str) -> dict[int, TaskRef]:
    """Return the tasks that were named by the answers to an order which named a CloudPress order.

    How they were then is not told, for they go on meanwhile.
    """
    ended = await what_happened(session, order.id, [EventType.PLACEMENT_ENDED])
    task_ids = [
        told.get("task_id")
        for _, told in ended
        if (told.get("cloudpress_order_id") or "").lower() == cloudpress_order_id.lower()
    ]
    return {task_id: TaskRef(id=task_id) for task_id in task_ids if task_id is not None}
