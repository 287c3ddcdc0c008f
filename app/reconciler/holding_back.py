"""Holds back conclusions where an order's own callback may be about to say that it is another one."""

from collections.abc import Collection
from dataclasses import replace

from app.orders.claims import claimed_by_others
from app.orders.spoken import dismissed_meanwhile
from app.reconciler.callback_hints import is_fresh
from app.reconciler.evidence import OPERATOR
from app.reconciler.findings import Findings
from app.reconciler.passes import Pass
from app.reconciler.writing import Held
from app.states import Rechecked, Seen, Trouble, trouble_in


def held_back(findings: Findings, rechecked: Rechecked, trouble: Trouble | None = None) -> Rechecked:
    """Return what is concluded by then of a placed order: nothing of what it holds is told or concluded.

    What went wrong with the requests about it counts all the same, for CloudPress may want to be left alone.
    """
    findings.site = None
    return replace(rechecked, trouble=rechecked.trouble or trouble, open_hints=True, may_be_told_soon=True)


def is_held_back_by(this: Pass, unshown_tasks: Collection[int]) -> bool:
    """Tell whether tasks of its own callbacks that are not shown may name another order soon."""
    unread_since = {it.task_id: it.unread_since for it in this.known.speaking}
    this.findings.unread_hints |= set(unshown_tasks)
    return any(is_fresh(this, unread_since.get(task_id)) for task_id in unshown_tasks)


async def seen_by_now(this: Pass, held: Held, observation: Seen | Rechecked) -> Seen | Rechecked:
    """Return what was seen of a placed order, with what was said or has come in while the pass looked.

    A look at what was found, and was dismissed in its midst, or given to another order, says nothing. Nor
    does one at what was found instead of what an operator has said meanwhile is this order's.
    """
    if _is_spoken_against(this, held):
        held.findings.forget_identity()
        return Rechecked(trouble_in(observation))
    if await _is_found_by_another(held):
        held.findings.forget_identity()
        return Rechecked(trouble_in(observation), open_hints=True)
    if isinstance(observation, Seen) and await _is_doubted(this, held):
        return held_back(held.findings, observation.rechecked, observation.trouble)
    return observation


async def is_its_own_by_now(this: Pass, held: Held) -> bool:
    """Tell whether nothing that was said or has come in by now speaks for another's order."""
    return not (
        _is_spoken_against(this, held)
        or await _is_found_by_another(held)
        or await is_named_anew(this, held)
        or await claimed_by_others(held.tx.session, held.order)
    )


def _is_spoken_against(this: Pass, held: Held) -> bool:
    found, now = held.findings.order_id, held.order
    if found in dismissed_meanwhile(this.order, now):
        return True
    is_settled = now.cloudpress_order_id_source == OPERATOR != this.order.cloudpress_order_id_source
    return is_settled and found not in {None, now.cloudpress_order_id}


async def _is_found_by_another(held: Held) -> bool:
    found = held.findings.order_id
    return found is not None and await held.loaded.is_held_by_another(held.order, found)


async def _is_doubted(this: Pass, held: Held) -> bool:
    """Tell whether what an order holds may be another's: by a callback for either, or by an answer to either.

    What names it for the other may have come while the pass looked, and raises nothing here.
    """
    if await is_named_anew(this, held):
        return True
    is_shared = this.known.may_be_named_for_another
    if held.findings.tasks or held.findings.order is not None:  # else nothing is told or concluded
        is_shared = is_shared or await held.loaded.may_be_named_for_another(held.order)
    return bool(await claimed_by_others(held.tx.session, held.order, may_be_named_for_another=is_shared))


async def _has_called_back_anew(this: Pass, held: Held) -> bool:
    """Tell whether a callback was let in while the pass looked, whose task it has not read."""
    if held.order.wakes == this.claim.wakes:
        return False
    known = {None, *held.findings.read_tasks, *(callback.task_id for callback in this.known.speaking)}
    return any(
        callback.task_id not in known and callback.overruled_at is None
        for callback in await held.loaded.callbacks(held.order.id)
    )


async def is_named_anew(this: Pass, held: Held) -> bool:
    """Tell whether an answer, or such a callback, came while the pass looked: either outranks a name.

    An answer that names what the order holds already says nothing new.
    """
    if held.order.wakes == this.claim.wakes:
        return False
    known = {None, held.order.cloudpress_order_id, *(it.cloudpress_order_id for it in this.known.placements)}
    placements = await held.loaded.placements(held.order.id)
    is_answered = any(placement.cloudpress_order_id not in known for placement in placements)
    return is_answered or await _has_called_back_anew(this, held)
