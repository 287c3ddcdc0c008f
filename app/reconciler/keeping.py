"""Writes what CloudPress answered in a pass: the order's id, its tasks, its site, its doubles."""

from datetime import datetime
from typing import Any

from app import cloudpress
from app.db.database import Transaction
from app.db.lasting import met_again, moment
from app.db.models import Order, Site, Task
from app.events.reading import what_happened
from app.events.timeline import record
from app.events.types import EventType
from app.orders.cancelling import cancelling_of
from app.orders.forgetting import forget_what_it_had
from app.orders.mix_ups import as_mixed_up
from app.orders.spoken import end_undone
from app.reconciler.answered_tasks import answered_tasks
from app.reconciler.evidence import ANSWER, LOOK_UP, OPERATOR, held_among
from app.reconciler.findings import Findings
from app.reconciler.progress import kept
from app.reconciler.writing import Held
from app.states import LATE_LOOK_AFTER, may_have_landed

TASK = "task"
"""How a double became known that nothing but a task named, which an answer named."""
SITE_FIELDS = (
    "id",
    "name",
    "primary_domain",
    "location",
    "region",
    "package",
    "php_version",
    "domain_cname",
    "created_at",
    "updated_at",
)


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
        changed |= await _keep_site(held, findings.site)
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
    await _keep_duplicates(held)
    _keep_mix_up(order, findings)


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


async def _keep_duplicates(held: Held) -> None:
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


def _keep_mix_up(order: Order, findings: Findings) -> None:
    """Keep what an order may be mixed up with, until a look that went by all that speaks finds nothing."""
    if findings.mixed_up or findings.is_its_own:
        order.mixed_up = as_mixed_up(order.cloudpress_order_id, findings.mixed_up)


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


async def _keep_site(held: Held, found: cloudpress.Answer[cloudpress.Site]) -> bool:
    tx, order = held.tx, held.order
    details = site_details(found.value)
    password = found.value.ssh.password if found.value.ssh else None
    stored = await held.loaded.sites(order.id)
    site = next(iter(stored), None)
    changed = site is None or site.details != details
    if site is None:
        site = Site(order_id=order.id)
        tx.session.add(site)
        stored.append(site)
    site.id = found.value.id
    site.details = details
    site.ssh_password = password.get_secret_value().encode() if password else None
    site.answer = found.raw
    site.read_at = tx.now
    held.loaded.note_site(order, site.id)
    if changed:
        record(tx, order.id, EventType.SITE_CHANGED, site_id=site.id)
    return changed


def site_details(site: cloudpress.Site) -> dict[str, Any]:
    """Return what the API shows of a site: an allow-list, without the password."""
    shown = site.model_dump(mode="json", include=set(SITE_FIELDS))
    ssh = site.ssh
    shown["ssh"] = (
        {"ipaddr": ssh.ipaddr, "username": ssh.username, "port": ssh.port} if ssh is not None else None
    )
    return {name: shown[name] for name in (*SITE_FIELDS, "ssh")}
