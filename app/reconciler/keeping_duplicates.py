"""Writes which CloudPress orders are suspected to be one too many, and which are no more."""

from app.db.models import Order
from app.db.transactions import Transaction
from app.events.reading import what_happened
from app.events.timeline import record
from app.events.types import EventType
from app.orders.mix_ups import as_mixed_up
from app.reconciler.evidence import LOOK_UP, held_among
from app.reconciler.findings import Findings
from app.reconciler.progress import kept
from app.reconciler.writing import Held
from app.states import may_have_landed

TASK = "task"
"""How a double became known that nothing but a task named, which an answer named."""


async def keep_duplicates(held: Held) -> None:
    """Keep which duplicates were found, and which have ended or were no duplicates."""
    tx, order, findings = held.tx, held.order, held.findings
    known = set(order.suspected_duplicates or ())
    # What an operator has dismissed while the pass went on is settled.
    settled = set(order.settled_duplicates or ()) - findings.named_anew
    new = findings.duplicates - known - settled
    new -= await _taken_meanwhile(tx, order, findings, new)
    ended = known & findings.duplicates_ended
    # That it might be another's was asked, and is over: it is settled of nothing that may come.
    cleared = known & {order.cloudpress_order_id} if findings.is_its_own else set()
    # As a double it would be told to be cancelled, and it may be another's.
    cleared |= await _refuted(held, known)
    for order_id in sorted(new):
        by = TASK if order_id in findings.by_task else None
        record(tx, order.id, EventType.DUPLICATE_SUSPECTED, by=by, cloudpress_order_id=order_id)
    for order_id in sorted(ended):
        record(tx, order.id, EventType.DUPLICATE_ENDED, cloudpress_order_id=order_id)
    if new or ended or cleared:
        # The attention names the first of them: those that were found first, by a callback perhaps.
        found = [*(order.suspected_duplicates or ()), *sorted(new)]
        left = [order_id for order_id in found if order_id not in ended | cleared]
        order.suspected_duplicates = left or None
        order.settled_duplicates = sorted(settled | ended) or None


def keep_mix_up(order: Order, findings: Findings) -> None:
    """Keep what an order may be mixed up with, until a look that went by all that speaks finds nothing."""
    if findings.mixed_up or findings.is_its_own:
        order.mixed_up = as_mixed_up(order.cloudpress_order_id, findings.mixed_up)


async def _taken_meanwhile(tx: Transaction, order: Order, findings: Findings, new: set[str]) -> set[str]:
    """Return what other orders have by now of what seemed to be one too many, so that it is none."""
    asked = new - findings.mixed_up
    # What one has by its name alone may be this order's all the same.
    return await held_among(tx.session, order, asked, but_by=LOOK_UP)


async def _refuted(held: Held, known: set[str]) -> set[str]:
    """Return which of the suspected ones nothing but a task named, which the own callback knows better.

    What a callback, an answer or a look-up names all the same is a double like any other. A look-up passes
    over what is told already, so what is told no more is looked for once more where it may be a double.
    """
    tx, order, findings = held.tx, held.order, held.findings
    refuted = (known & findings.refuted) - findings.duplicates
    if not refuted:
        return set()
    told = await what_happened(tx.session, order.id, [EventType.DUPLICATE_SUSPECTED])
    how = {data["cloudpress_order_id"]: data.get("by") for _, data in told}
    refuted = {order_id for order_id in refuted if how.get(order_id) == TASK}
    if refuted and order.late_look_at is None and await _may_have_double(held):
        order.late_look_at = tx.now
    return refuted


async def _may_have_double(held: Held) -> bool:
    """Tell whether an order was sent more than once, or was looked for."""
    attempts = await held.loaded.placements(held.order.id)
    is_sent_twice = sum(may_have_landed(it.outcome) for it in attempts) > 1
    return is_sent_twice or await kept(held.tx.session, held.order.id) is not None
