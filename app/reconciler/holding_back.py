"""Holds back conclusions where an order's own callback may be about to say that it is another one."""

from collections.abc import Collection
from dataclasses import replace

from app.cloudpress import Answer
from app.orders.spoken import dismissed_meanwhile
from app.reconciler.callback_hints import is_fresh
from app.reconciler.evidence import Sent
from app.reconciler.findings import Findings
from app.reconciler.passes import Pass
from app.reconciler.writing import Held
from app.states import Rechecked, Seen


def held_back(findings: Findings, rechecked: Rechecked) -> Rechecked:
    """Return what is concluded by then of a placed order: nothing of what it holds is told or concluded."""
    findings.site = None
    return replace(rechecked, open_hints=True, may_be_told_soon=True)


def is_held_back_by(this: Pass, unshown_tasks: Collection[int]) -> bool:
    """Tell whether tasks of its own callbacks that are not shown may name another order soon."""
    unread_since = {it.task_id: it.unread_since for it in this.known.speaking}
    this.findings.unread_hints |= set(unshown_tasks)
    return any(is_fresh(this, unread_since.get(task_id)) for task_id in unshown_tasks)


async def seen_by_now(this: Pass, held: Held, observation: Seen | Rechecked) -> Seen | Rechecked:
    """Return what was seen of a placed order, with what was said or has come in while the pass looked.

    A look at what was found, and was dismissed in its midst, or given to another order, says nothing.
    """
    order, found = held.order, held.findings.order_id
    if found in dismissed_meanwhile(this.order, order):
        held.findings.forget_identity()
        return Rechecked()
    if found is not None and await held.loaded.is_held_by_another(order, found):
        held.findings.forget_identity()
        return Rechecked(open_hints=True)
    if isinstance(observation, Seen) and await _has_called_back_anew(this, held):
        return held_back(held.findings, observation.rechecked)
    return observation


async def _has_called_back_anew(this: Pass, held: Held) -> bool:
    """Tell whether a callback was let in while the pass looked, whose task it has not read."""
    if held.order.wakes == this.claim.wakes:
        return False
    read = {task_id for task_id, found in held.findings.tasks.items() if isinstance(found, Answer)}
    known = {None, *read, *(callback.task_id for callback in this.known.speaking)}
    return any(
        callback.task_id not in known and callback.overruled_at is None
        for callback in await held.loaded.callbacks(held.order.id)
    )


async def is_named_anew(this: Pass, held: Held, sent: Sent) -> bool:
    """Tell whether an answer, or such a callback, came while the pass looked: either outranks a name."""
    if held.order.wakes == this.claim.wakes:
        return False
    placements = await held.loaded.placements(held.order.id)
    answered = {placement.cloudpress_order_id for placement in placements} - {None, *sent.answered_ids}
    return bool(answered) or await _has_called_back_anew(this, held)
