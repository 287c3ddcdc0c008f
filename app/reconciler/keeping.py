"""Writes what CloudPress answered in a pass: the order's id, and what is known of it.

`keeping_tasks`, `keeping_sites` and `keeping_duplicates` write the rest.
"""

from datetime import datetime

from app.db.lasting import met_again, moment
from app.db.models import Order
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.cancelling import cancelling_of
from app.orders.forgetting import forget_what_it_had
from app.orders.spoken import end_undone
from app.reconciler.answered_tasks import answered_tasks
from app.reconciler.evidence import ANSWER, OPERATOR
from app.reconciler.findings import Findings
from app.reconciler.keeping_duplicates import keep_duplicates, keep_mix_up
from app.reconciler.keeping_sites import keep_site
from app.reconciler.keeping_tasks import keep_tasks
from app.reconciler.writing import Held
from app.states import LATE_LOOK_AFTER


async def keep(held: Held) -> bool:
    """Store CloudPress's answers; tell whether the tasks or the site are seen differently now."""
    order, findings = held.order, held.findings
    if findings.order_id is not None:
        await _hold(held)
    await _keep_evidence(held)
    _keep_cancelling(held.tx, order, findings)
    if findings.order is not None:
        order.cloudpress_answer = findings.order.raw
        order.cloudpress_status = findings.order.value.status
    elif findings.order_status is not None:
        order.cloudpress_status = findings.order_status
    changed = await keep_tasks(held) if findings.tasks or findings.foreign_tasks else False
    if findings.site is not None:
        changed |= await keep_site(held, findings.site)
    return changed


async def _hold(held: Held) -> None:
    """Hold a CloudPress order from now on; what was read of one held by mistake is forgotten."""
    tx, order, findings = held.tx, held.order, held.findings
    if order.cloudpress_order_id == findings.order_id:
        return
    if order.cloudpress_order_id is not None:
        await forget_what_it_had(tx, order)
        held.loaded.forget_tasks_and_site(order.id)
        if findings.order_id_source == ANSWER:
            answered = await answered_tasks(tx.session, order, findings.order_id or "")
            findings.tasks = {**answered, **findings.tasks}
        findings.may_be_doubled = True
    record(
        tx,
        order.id,
        EventType.IDENTIFIED,
        cloudpress_order_id=findings.order_id,
        by=findings.order_id_source,
        instead_of=order.cloudpress_order_id,
    )
    is_spoken_of = order.cloudpress_order_id is not None and order.resolution is not None
    if is_spoken_of and findings.order_id_source != OPERATOR:
        end_undone(tx, order)  # it was about what the order had
    # Whose it was what it had is asked no more, and what it has is no double.
    own, former = findings.order_id, order.cloudpress_order_id
    left = [it for it in order.suspected_duplicates or () if it not in {own, former}]
    order.suspected_duplicates = left or None
    order.cloudpress_order_id = own
    order.cloudpress_order_id_source = findings.order_id_source
    held.loaded.note_holder(order)


async def _keep_evidence(held: Held) -> None:
    tx, order, findings = held.tx, held.order, held.findings
    if findings.look_up is not None:
        await findings.look_up.save(tx, order)
    order.late_look_at = _late_look_at(tx, order, findings)
    if findings.resolved:
        order.resolution = None
    await _keep_hints(held)
    await keep_duplicates(held)
    keep_mix_up(order, findings)


async def _keep_hints(held: Held) -> None:
    """Keep which tasks that callbacks named need not be asked about again, and for how long others do."""
    tx, findings = held.tx, held.findings
    met = findings.unread_hints | findings.untold_hints | findings.read_hints
    if not (findings.hints or findings.reads_callbacks_anew or met):
        return
    for callback in await held.loaded.callbacks(held.order.id):
        if callback.task_id in findings.hints:
            callback.checked_at = callback.checked_at or tx.now
        elif findings.reads_callbacks_anew and callback.overruled_at is None:
            callback.checked_at = callback.unread_since = callback.untold_since = None
        if callback.task_id in findings.read_hints:
            callback.unread_since = None
        if callback.task_id in findings.unread_hints:
            callback.unread_since = met_again(callback.unread_since, moment(tx))
        if callback.task_id in findings.untold_hints:
            callback.untold_since = met_again(callback.untold_since, moment(tx))


def _late_look_at(tx: Transaction, order: Order, findings: Findings) -> datetime | None:
    later = tx.now + LATE_LOOK_AFTER if findings.may_be_doubled else None
    if findings.late_look_done:
        return later
    if order.late_look_at is not None:  # unless it was dismissed meanwhile
        return findings.late_look_again_at or order.late_look_at
    return tx.now if findings.is_contradicted else later


def _keep_cancelling(tx: Transaction, order: Order, findings: Findings) -> None:
    """Keep what CloudPress answered to the request to cancel; what it shows outranks that."""
    if findings.cancel_unanswered is not None:
        order.cancel_unanswered = cancelling_of(order) if findings.cancel_unanswered else None
    if order.cancel_requested_at is None:
        return
    if findings.cancel_accepted:
        order.cancel_accepted_at = tx.now
        order.missing_known_since = None  # from now on it counts how long the order is away
        record(tx, order.id, EventType.CANCEL_ACCEPTED)
    if findings.cancel_refusal is not None:
        record(tx, order.id, EventType.CANCEL_REFUSED, reasons=list(findings.cancel_refusal))
        order.cancel_requested_at = None
        order.cancel_refusal = list(findings.cancel_refusal)
