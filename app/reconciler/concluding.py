"""Writes what a pass found: the decision, CloudPress's answers, the timeline, and when to look again."""

from dataclasses import dataclass
from datetime import timedelta

from app.db.database import Transaction
from app.db.models import Order
from app.events.timeline import record
from app.events.types import EventType
from app.orders.lifecycle_events import Before, record_lifecycle_events
from app.queue import leases
from app.queue.leases import Claim
from app.reconciler.dependencies import Dependencies
from app.reconciler.findings import Findings, keep
from app.states import (
    FINAL,
    LATE_LOOK_AFTER,
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

LATE_LOOK_RETRY_SECONDS = 60.0
# There was news during the pass, so that what it would have concluded is not concluded.
WOKEN = Trouble("woken")
ACCOUNT_UNKNOWN = "account_unknown"


class ForbiddenTransitionError(Exception):
    """A decision would move an order where no order may go; nothing of it is written."""


@dataclass(frozen=True)
class PassResult:
    """What a pass did, for the log."""

    action: str
    before: OrderStatus
    after: OrderStatus
    failures: int
    due_in_seconds: float | None


async def conclude(
    dependencies: Dependencies,
    claim: Claim[Order],
    action: str,
    observation: Observation,
    findings: Findings | None = None,
) -> PassResult | None:
    """Decide what an observation means and write it, if the lease is still held.

    Returns None, having written nothing, if the lease was lost: who holds it now asks again.
    """
    async with dependencies.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return None
        return await apply(
            tx, dependencies, claim, order, action=action, observation=observation, findings=findings
        )


async def apply(
    tx: Transaction,
    dependencies: Dependencies,
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
    seen_before = Before.of(order)
    decision = decide(standing(order), observation, tx.now)
    if not may_follow(before, decision.status):
        raise ForbiddenTransitionError(f"{before} may not become {decision.status}")
    shown = _shown(order)
    kept = await keep(tx, order, findings) if findings else False
    _write_decision(tx, order, decision)
    _write_cancelling(tx, order, findings or Findings())
    changed = kept or _shown(order) != shown
    if changed:
        order.updated_at = tx.now
        tx.announce(changed=order.id)
    if order.status != before:
        record(tx, order.id, EventType.STATUS_CHANGED, before=before, after=order.status, action=action)
    due_in_seconds = _reschedule(tx, dependencies, order, claim, decision, changed=changed)
    trouble = _trouble_in(observation)
    if trouble is not None:
        _record_trouble(tx, order, trouble)
    await record_lifecycle_events(tx, order, seen_before)
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
            EventType.REQUEST_FAILED,
            reason=trouble.kind,
            status=trouble.status,
            in_a_row=order.failures,
        )


async def put_off(dependencies: Dependencies, claim: Claim[Order], attention: Attention) -> None:
    """Give back an order that a pass could not deal with: it is due later and later, and says why."""
    async with dependencies.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return
        if order.status in FINAL and attention.code == ACCOUNT_UNKNOWN:
            # Nobody can be asked about it any more, and nothing of it is left to do.
            leases.release(tx, order, claim, None)
            return
        before = Before.of(order)
        order.failures += 1
        delay = dependencies.schedule.delay_seconds(Wait.RETRY, quiet=0, failures=order.failures) or 0.0
        if order.attention_code != attention.code:
            order.updated_at = tx.now
            tx.announce(changed=order.id)
        _write_attention(tx, order, attention)
        leases.release(tx, order, claim, tx.now + timedelta(seconds=delay), not_before=order.not_before)
        await record_lifecycle_events(tx, order, before)


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
        order.cancel_requested_at,
        order.cancel_refusal,
    )


def _write_decision(tx: Transaction, order: Order, decision: Decision) -> None:
    order.status = decision.status
    if order.status != OrderStatus.UNCONFIRMED:
        order.resolution = None  # a wish that has been overtaken
    if not decision.keeps_payment_url:
        if order.payment_url is not None and decision.payment_url not in {None, order.payment_url}:
            record(tx, order.id, EventType.PAYMENT_URL_CHANGED)
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
            record(tx, order.id, EventType.NOT_FOUND if decision.missing else EventType.FOUND_AGAIN)
        order.missing_since = (order.missing_since or tx.now) if decision.missing else None
    attention = decision.attention
    if order.suspected_duplicates:
        attention = duplicate_attention(order.cloudpress_order_id, order.suspected_duplicates)
    _write_attention(tx, order, attention)


def _write_cancelling(tx: Transaction, order: Order, findings: Findings) -> None:
    """Write what became of the client's wish to cancel; what CloudPress shows outranks what it answered."""
    if order.cancel_requested_at is None:
        return
    if findings.cancel_accepted:
        order.cancel_accepted_at = tx.now
        record(tx, order.id, EventType.CANCEL_ACCEPTED)
    if findings.cancel_refusal is not None:
        record(tx, order.id, EventType.CANCEL_REFUSED, reasons=list(findings.cancel_refusal))
    if order.status in FINAL:
        order.cancel_requested_at = order.cancel_accepted_at = None
    elif findings.cancel_refusal is not None:
        order.cancel_requested_at = None
        order.cancel_refusal = list(findings.cancel_refusal)


def _write_attention(tx: Transaction, order: Order, attention: Attention | None) -> None:
    if attention is None:
        if order.attention_code is not None:
            record(tx, order.id, EventType.ATTENTION_ENDED, code=order.attention_code)
        order.attention_code = order.attention_detail = order.attention_since = None
        return
    if order.attention_code != attention.code:
        order.attention_since = tx.now
        record(tx, order.id, EventType.ATTENTION_STARTED, code=attention.code, detail=attention.detail)
    order.attention_code = attention.code
    order.attention_detail = attention.detail


def _reschedule(
    tx: Transaction,
    dependencies: Dependencies,
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
        order.cancel_requested_at is not None
        and order.cancel_accepted_at is None
        and wait in {Wait.TASK, Wait.PAYMENT}
    ):
        wait = Wait.TURN  # what has just been placed or found is cancelled at once
    delay = dependencies.schedule.delay_seconds(
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
