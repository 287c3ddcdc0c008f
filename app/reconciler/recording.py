"""Writes what a pass found: the decision, CloudPress's answers, the timeline, and when to look again."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update

from app import cloudpress, leases
from app.db import Transaction
from app.leases import Claim
from app.milestones import Before, record_milestones
from app.models import Callback, Order, Site, Task
from app.reconciler.looking_up import Progress
from app.reconciler.surroundings import Surroundings
from app.states import (
    FINAL,
    PLACED,
    Attention,
    Decision,
    NotFoundYet,
    Observation,
    OrderStatus,
    Rechecked,
    Seen,
    Standing,
    Trouble,
    Wait,
    decide,
    duplicate_attention,
    may_follow,
)
from app.timeline import record

LATE_LOOK_AFTER = timedelta(hours=5)
LATE_LOOK_RETRY_SECONDS = 60.0
# There was news during the pass, so that what it would have concluded is not concluded.
WOKEN = Trouble("woken")
ACCOUNT_UNKNOWN = "account_unknown"
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


class ForbiddenTransitionError(Exception):
    """A decision would move an order where no order may go; nothing of it is written."""


@dataclass
class Findings:
    """What CloudPress answered in a pass, to be kept."""

    order: cloudpress.Answer[cloudpress.OrderDetails] | None = None
    tasks: dict[int, cloudpress.Answer[cloudpress.Task] | cloudpress.TaskRef] = field(default_factory=dict)
    site: cloudpress.Answer[cloudpress.Site] | None = None
    order_status: str | None = None
    order_id: str | None = None
    order_id_source: str | None = None
    duplicates: set[str] = field(default_factory=set)
    duplicates_ended: set[str] = field(default_factory=set)
    """Suspected ones that CloudPress has cancelled or failed to carry out."""
    hints: tuple[int, ...] = ()
    """Tasks that callbacks named, and that need not be asked about again."""
    look_up: Progress | None = None
    late_look_done: bool = False
    resolved: bool = False
    """Whether an operator's wish was done, or turned out to be impossible."""
    overruled: bool = False
    """Whether it was to place the order again whatever callbacks say."""
    cancel_accepted: bool = False
    cancel_refusal: tuple[str, ...] | None = None
    """CloudPress's words, if it refused to cancel."""

    def followed_by(self, later: "Findings") -> "Findings":
        """Return these findings of a first look with those of a second one, which outrank them."""
        return replace(
            later,
            order=later.order or self.order,
            tasks={**self.tasks, **later.tasks},
            site=later.site or self.site,
        )


@dataclass(frozen=True)
class PassResult:
    """What a pass did, for the log."""

    action: str
    before: OrderStatus
    after: OrderStatus
    failures: int
    due_in_seconds: float | None


async def conclude(
    world: Surroundings,
    claim: Claim[Order],
    action: str,
    observation: Observation,
    findings: Findings | None = None,
) -> PassResult | None:
    """Decide what an observation means and write it, if the lease is still held.

    Returns None, having written nothing, if the lease was lost: who holds it now asks again.
    """
    async with world.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return None
        return await apply(tx, world, claim, order, action=action, observation=observation, findings=findings)


async def apply(
    tx: Transaction,
    world: Surroundings,
    claim: Claim[Order],
    order: Order,
    *,
    action: str,
    observation: Observation,
    findings: Findings | None = None,
) -> PassResult:
    """Apply an observation to an order that is held and locked, and release it.

    Raises:
        ForbiddenTransitionError: the decision is no allowed transition; the transaction must not commit.
    """
    before = order.status
    milestones = Before.of(order)
    decision = decide(standing(order), observation, tx.now)
    if not may_follow(before, decision.status):
        raise ForbiddenTransitionError(f"{before} may not become {decision.status}")
    shown = _shown(order)
    kept = await _keep(tx, order, findings) if findings else False
    _write_decision(tx, order, decision)
    _write_cancelling(tx, order, findings or Findings())
    changed = kept or _shown(order) != shown
    if changed:
        order.updated_at = tx.now
        tx.announce(changed=order.id)
    if order.status != before:
        record(tx, order.id, "status_changed", before=before, after=order.status, action=action)
    due_in_seconds = _reschedule(tx, world, order, claim, decision, changed=changed)
    trouble = _trouble_in(observation)
    if trouble is not None:
        _record_trouble(tx, order, trouble)
    await record_milestones(tx, order, milestones)
    return PassResult(action, before, order.status, order.failures, due_in_seconds)


def _trouble_in(observation: Observation) -> Trouble | None:
    if isinstance(observation, Seen):
        return observation.trouble or observation.rechecked.trouble
    return observation.trouble if isinstance(observation, Rechecked | NotFoundYet) else None


def _record_trouble(tx: Transaction, order: Order, trouble: Trouble) -> None:
    """Tell the timeline of a request that failed; of many in a row, the first, second, fourth, eighth, …"""
    if trouble != WOKEN and order.failures.bit_count() == 1:
        record(
            tx,
            order.id,
            "request_failed",
            reason=trouble.kind,
            status=trouble.status,
            in_a_row=order.failures,
        )


async def put_off(world: Surroundings, claim: Claim[Order], attention: Attention) -> None:
    """Give back an order that a pass could not deal with: it is due later and later, and says why."""
    async with world.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return
        if order.status in FINAL and attention.code == ACCOUNT_UNKNOWN:
            # Nobody can be asked about it any more, and nothing of it is left to do.
            leases.release(tx, order, claim, None)
            return
        before = Before.of(order)
        order.failures += 1
        delay = world.schedule.delay_seconds(Wait.RETRY, quiet=0, failures=order.failures) or 0.0
        if order.attention_code != attention.code:
            order.updated_at = tx.now
            tx.announce(changed=order.id)
        _write_attention(tx, order, attention)
        leases.release(tx, order, claim, tx.now + timedelta(seconds=delay), not_before=order.not_before)
        await record_milestones(tx, order, before)


def standing(order: Order) -> Standing:
    """Return what of an order's row bears on a decision."""
    attention = None
    if order.attention_code is not None:
        attention = Attention(order.attention_code, order.attention_detail or "")
    return Standing(order.status, missing_since=order.missing_since, attention=attention)


def _shown(order: Order) -> tuple[object, ...]:
    """Return what the API shows of the row and a pass can change."""
    return (
        order.status,
        order.cloudpress_order_id,
        order.payment_url,
        order.error_code,
        order.attention_code,
        order.attention_detail,
        order.cancel_wished_at,
        order.cancel_refusal,
    )


def _write_decision(tx: Transaction, order: Order, decision: Decision) -> None:
    order.status = decision.status
    if order.status != OrderStatus.UNCONFIRMED:
        order.resolution = None  # a wish that has been overtaken
    if not decision.keeps_payment_url:
        order.payment_url = decision.payment_url
    if decision.problem is not None:
        order.error_code = decision.problem.code
        order.error_detail = decision.problem.detail
        order.error_reasons = list(decision.problem.reasons)
    if decision.status in FINAL and order.finalized_at is None:
        order.finalized_at = tx.now
    if decision.late_look:
        order.late_look_at = tx.now + LATE_LOOK_AFTER
    if decision.missing is not None:
        if decision.missing != (order.missing_since is not None):
            record(tx, order.id, "missing" if decision.missing else "shown_again")
        order.missing_since = (order.missing_since or tx.now) if decision.missing else None
    attention = decision.attention
    if order.suspected_duplicates:
        attention = duplicate_attention(order.cloudpress_order_id, order.suspected_duplicates)
    _write_attention(tx, order, attention)


def _write_cancelling(tx: Transaction, order: Order, findings: Findings) -> None:
    """Write what became of the client's wish to cancel; what CloudPress shows outranks what it answered."""
    if order.cancel_wished_at is None:
        return
    if findings.cancel_accepted:
        order.cancel_accepted_at = tx.now
        record(tx, order.id, "cancel_accepted")
    if findings.cancel_refusal is not None:
        record(tx, order.id, "cancel_refused", reasons=list(findings.cancel_refusal))
    if order.status in FINAL:
        order.cancel_wished_at = order.cancel_accepted_at = None
    elif findings.cancel_refusal is not None:
        order.cancel_wished_at = None
        order.cancel_refusal = list(findings.cancel_refusal)


def _write_attention(tx: Transaction, order: Order, attention: Attention | None) -> None:
    if attention is None:
        if order.attention_code is not None:
            record(tx, order.id, "attention_ended", code=order.attention_code)
        order.attention_code = order.attention_detail = order.attention_since = None
        return
    if order.attention_code != attention.code:
        order.attention_since = tx.now
        record(tx, order.id, "attention", code=attention.code, detail=attention.detail)
    order.attention_code = attention.code
    order.attention_detail = attention.detail


def _reschedule(
    tx: Transaction,
    world: Surroundings,
    order: Order,
    claim: Claim[Order],
    decision: Decision,
    *,
    changed: bool,
) -> float | None:
    """Set when the order is due again, release it, and return in how many seconds that is."""
    woken = order.wakes != claim.wakes
    order.failures = order.failures + 1 if decision.wait is Wait.RETRY else 0
    wait = decision.wait
    if wait is Wait.NOTHING and order.suspected_duplicates:
        wait = Wait.PAYMENT  # until one of them is cancelled at CloudPress, or an operator has spoken
    if (
        order.cancel_wished_at is not None
        and order.cancel_accepted_at is None
        and wait in {Wait.TASK, Wait.PAYMENT}
    ):
        wait = Wait.TURN  # what has just been placed or found is cancelled at once
    delay = world.schedule.delay_seconds(
        wait, quiet=0 if changed or woken else order.quiet, failures=order.failures
    )
    order.quiet = 0 if changed or woken else order.quiet + 1
    if decision.retry_after_seconds is not None:
        floor = decision.retry_after_seconds
        delay = None if delay is None else floor + delay
        order.not_before = tx.now + timedelta(seconds=floor)
    else:
        order.not_before = None
    due_at = None if delay is None else tx.now + timedelta(seconds=delay)
    if order.late_look_at is not None and order.status in PLACED:
        # One that is overdue was tried just now; an order that is sought is looked up anyway.
        late_look_at = max(order.late_look_at, tx.now + timedelta(seconds=LATE_LOOK_RETRY_SECONDS))
        due_at = min(due_at, late_look_at) if due_at else late_look_at
    leases.release(tx, order, claim, due_at, not_before=order.not_before)
    return None if order.due_at is None else (order.due_at - tx.now).total_seconds()


async def _keep(tx: Transaction, order: Order, findings: Findings) -> bool:
    """Store CloudPress's answers; tell whether the tasks or the site are seen differently now."""
    if findings.order_id is not None:
        await _hold(tx, order, findings)
    await _keep_evidence(tx, order, findings)
    if findings.order is not None:
        order.cloudpress_answer = findings.order.raw
        order.cloudpress_status = findings.order.value.status
    elif findings.order_status is not None:
        order.cloudpress_status = findings.order_status
    stored = {
        task.id: task for task in await tx.session.scalars(select(Task).where(Task.order_id == order.id))
    }
    changed = False
    for task_id, found in findings.tasks.items():
        changed |= _keep_task(tx, order, stored.get(task_id), found)
    if findings.site is not None:
        changed |= await _keep_site(tx, order, findings.site)
    return changed


async def _hold(tx: Transaction, order: Order, findings: Findings) -> None:
    """Hold a CloudPress order from now on; what was read of one held by mistake is forgotten."""
    if order.cloudpress_order_id == findings.order_id:
        return
    if order.cloudpress_order_id is not None:
        for table in (Task, Site):
            await tx.session.execute(delete(table).where(table.order_id == order.id))
    record(
        tx,
        order.id,
        "identified",
        cloudpress_order_id=findings.order_id,
        by=findings.order_id_source,
        instead_of=order.cloudpress_order_id,
    )
    order.cloudpress_order_id = findings.order_id
    order.cloudpress_order_id_source = findings.order_id_source


async def _keep_evidence(tx: Transaction, order: Order, findings: Findings) -> None:
    if findings.look_up is not None:
        await findings.look_up.save(tx, order)
    if findings.late_look_done:
        order.late_look_at = None
    if findings.resolved:
        order.resolution = None
    if findings.hints:
        checked = update(Callback).where(
            Callback.order_id == order.id, Callback.task_id.in_(findings.hints), Callback.checked_at.is_(None)
        )
        await tx.session.execute(checked.values(checked_at=tx.now))
    if findings.overruled:
        overruled = update(Callback).where(Callback.order_id == order.id)
        await tx.session.execute(overruled.values(overruled_at=tx.now))
    _keep_duplicates(tx, order, findings)


def _keep_duplicates(tx: Transaction, order: Order, findings: Findings) -> None:
    known = set(order.suspected_duplicates or ())
    new = findings.duplicates - known - {order.cloudpress_order_id or ""}
    ended = known & findings.duplicates_ended
    for order_id in sorted(new):
        record(tx, order.id, "suspected_duplicate", cloudpress_order_id=order_id)
    for order_id in sorted(ended):
        record(tx, order.id, "suspected_duplicate_ended", cloudpress_order_id=order_id)
    if new or ended:
        order.suspected_duplicates = sorted((known | new) - ended) or None
        order.settled_duplicates = sorted({*(order.settled_duplicates or ()), *ended}) or None


def _keep_task(
    tx: Transaction,
    order: Order,
    stored: Task | None,
    found: cloudpress.Answer[cloudpress.Task] | cloudpress.TaskRef,
) -> bool:
    seen = found.value if isinstance(found, cloudpress.Answer) else found
    task = stored
    if task is None:
        task = Task(order_id=order.id, id=seen.id, status=seen.status)
        tx.session.add(task)
    before = (task.status, task.name, task.title, task.started_at, task.ended_at)
    task.status = seen.status
    if isinstance(found, cloudpress.Answer):
        task.name = found.value.name
        task.title = found.value.title
        task.started_at = found.value.start_on
        task.ended_at = found.value.end_on
        task.answer = found.raw
    return stored is None or before != (task.status, task.name, task.title, task.started_at, task.ended_at)


async def _keep_site(tx: Transaction, order: Order, found: cloudpress.Answer[cloudpress.Site]) -> bool:
    details = site_details(found.value)
    password = found.value.ssh.password if found.value.ssh else None
    site = await tx.session.get(Site, order.id, populate_existing=True)
    changed = site is None or site.details != details
    if site is None:
        site = Site(order_id=order.id)
        tx.session.add(site)
    site.id = found.value.id
    site.details = details
    site.ssh_password = password.get_secret_value().encode() if password else None
    site.answer = found.raw
    site.read_at = tx.now
    return changed


def site_details(site: cloudpress.Site) -> dict[str, Any]:
    """Return what the API shows of a site: an allow-list, without the password."""
    shown = site.model_dump(mode="json", include=set(SITE_FIELDS))
    ssh = site.ssh
    shown["ssh"] = (
        {"ipaddr": ssh.ipaddr, "username": ssh.username, "port": ssh.port} if ssh is not None else None
    )
    return {name: shown[name] for name in (*SITE_FIELDS, "ssh")}
