"""Writes what CloudPress showed of an order's tasks."""

from app import cloudpress
from app.db.models import Task
from app.events.timeline import record
from app.events.types import EventType
from app.reconciler.writing import Held


async def keep_tasks(held: Held) -> bool:
    """Store the tasks that were found; tell whether one is seen differently now."""
    stored = await held.loaded.tasks(held.order.id)
    known = {task.id: task for task in stored}
    changed = False
    for task_id, found in held.findings.tasks.items():
        task = known.get(task_id)
        changed |= _keep_task(held, stored, task, found)
    for task_id in held.findings.foreign_tasks & known.keys():
        if known[task_id].is_own:
            known[task_id].is_own = False
    return changed


def _keep_task(
    held: Held,
    all_stored: list[Task],
    stored: Task | None,
    found: cloudpress.Answer[cloudpress.Task] | cloudpress.TaskRef,
) -> bool:
    tx, order = held.tx, held.order
    seen = found.value if isinstance(found, cloudpress.Answer) else found
    task, former_status = stored, stored.status if stored else None
    if task is None:
        task = Task(order_id=order.id, id=seen.id, status=seen.status)
        tx.session.add(task)
        all_stored.append(task)
    before = (task.status, task.name, task.title, task.started_at, task.ended_at)
    task.status = seen.status
    if isinstance(found, cloudpress.Answer):
        task.name = found.value.name
        task.title = found.value.title
        task.started_at = found.value.start_on
        task.ended_at = found.value.end_on
        task.answer = found.raw
        task.is_own = _is_own(held, found.value) or task.is_own
    after = (task.status, task.name, task.title, task.started_at, task.ended_at)
    changed = stored is None or before != after
    if changed:
        record(tx, order.id, EventType.TASK_CHANGED, task_id=task.id, before=former_status, after=task.status)
    return changed


async def keep_listed(held: Held) -> None:
    """Keep that tasks that CloudPress lists with an order which has ended are its own, though never shown.

    While it goes on, its own callback may name one of those, which is waited for. Once it has ended nobody
    asks about them any more, so that they would leave open for ever what the callback is about.
    """
    shown, foreign = held.findings.order, held.findings.foreign_tasks
    listed = {task.id for task in shown.value.tasks} if shown is not None else set()
    for task in await held.loaded.tasks(held.order.id) if listed else ():
        if task.is_own is None and task.id in listed - foreign:
            task.is_own = True


def _is_own(held: Held, task: cloudpress.Task) -> bool:
    """Tell whether CloudPress shows a task as that of what is held: it names that, or is listed there."""
    own, shown = held.order.cloudpress_order_id or "", held.findings.order
    if task.order_ids:
        return own.lower() in map(str.lower, task.order_ids)
    return shown is not None and any(it.id == task.id for it in shown.value.tasks)
