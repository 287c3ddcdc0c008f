"""Concludes a pass: what was found is written, what it means decided and done, and the order given back."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.db.database import Transaction
from app.db.errors import repeated
from app.db.models import Callback, Order, Site
from app.events.timeline import record
from app.events.types import EventType
from app.orders.changing import Change, changing
from app.queue import leases
from app.reconciler.keeping import keep
from app.reconciler.passes import Finished, Pass, PassResult
from app.states import (
    FINAL,
    LATE_LOOK_AFTER,
    Attention,
    AttentionCode,
    Decision,
    NotFoundYet,
    Observation,
    PostEnded,
    Rechecked,
    Seen,
    Standing,
    Trouble,
    Wait,
    decide,
)


@repeated
async def conclude(this: Pass, action: str, observation: Observation) -> PassResult | None:
    """Decide what an observation means and write it, if the lease is still held.

    Returns None, having written nothing, if the lease was lost: who holds it now asks again.
    """
    async with this.dependencies.db.write() as tx:
        order = await leases.hold(tx, this.claim)
        if order is None:
            return None
        return await apply(this, tx, order, action, observation)


async def apply(
    this: Pass, tx: Transaction, order: Order, action: str, observation: Observation
) -> PassResult:
    """Write what was found of an order that is held and locked, apply an observation, and release it.

    Raises:
        ForbiddenTransitionError: the decision is no allowed transition; the transaction must not commit.
    """
    before, asked_before = order.status, order.attention_code
    async with changing(tx, order, action=action) as change:
        site = this.findings.site
        if (
            isinstance(observation, Seen)
            and site is not None
            and await _is_anothers(tx, order, site.value.id)
        ):
            this.findings.site, observation = None, replace(observation, site_read=False, foreign=True)
        change.shows_more = await keep(tx, order, this.findings)
        decision = decide(standing(order), observation, tx.now)
        _write(tx, change, decision)
        due_in_seconds = _reschedule(this, tx, change, decision)
        _note_trouble(order, decision, observation)
        trouble = _trouble_in(observation)
        if trouble is not None:
            _record_trouble(tx, order, trouble)
    finished = await _finished(tx, order) if order.status in FINAL and before not in FINAL else None
    return PassResult(
        action,
        before,
        order.status,
        order.failures,
        due_in_seconds,
        finished,
        reason=order.trouble_kind,
        status=order.trouble_status,
        attention=order.attention_code if order.attention_code != asked_before else None,
    )


async def _is_anothers(tx: Transaction, order: Order, site_id: str) -> bool:
    """Tell whether another order has a site. Nobody else can take it until the transaction ends."""
    if tx.session.get_bind().dialect.name == "postgresql":
        await tx.session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"site {site_id}"))))
    held = select(Site.order_id).where(Site.id == site_id, Site.order_id != order.id)
    return (await tx.session.execute(held.limit(1))).first() is not None


async def _finished(tx: Transaction, order: Order) -> Finished:
    latest = select(func.max(Callback.last_received_at)).where(Callback.order_id == order.id)
    called_back_at: datetime | None = (await tx.session.execute(latest)).scalar_one()
    since_callback = None if called_back_at is None else (tx.now - called_back_at).total_seconds()
    return Finished((tx.now - order.created_at).total_seconds(), since_callback)


@repeated
async def put_off(this: Pass, attention: Attention) -> None:
    """Give back an order that a pass could not deal with: it is due later and later, and says why."""
    async with this.dependencies.db.write() as tx:
        order = await leases.hold(tx, this.claim)
        if order is None:
            return
        if order.status in FINAL and attention.code is AttentionCode.ACCOUNT_UNKNOWN:
            # Nobody can be asked about it any more, and nothing of it is left to do.
            leases.release(tx, order, this.claim, None)
            return
        async with changing(tx, order, action="put_off") as change:
            change.ask_for(attention)
            order.failures += 1
            delay = this.dependencies.schedule.delay_seconds(Wait.RETRY, quiet=0, failures=order.failures)
            due_at = tx.now + timedelta(seconds=delay or 0.0)
            leases.release(tx, order, this.claim, due_at, not_before=order.not_before)


def standing(order: Order) -> Standing:
    """Return what of an order's row bears on a decision."""
    attention = None
    if order.attention_code is not None:
        attention = Attention(AttentionCode(order.attention_code), order.attention_detail or "")
    return Standing(
        order.status,
        missing_since=order.missing_since,
        attention=attention,
        held=order.cloudpress_order_id,
        duplicates=tuple(order.suspected_duplicates or ()),
        late_look_at=order.late_look_at,
        cancelling=order.cancel_requested_at is not None and order.cancel_accepted_at is None,
    )


def _trouble_in(observation: Observation) -> Trouble | None:
    if isinstance(observation, Seen):
        return observation.trouble or observation.rechecked.trouble
    return observation.trouble if isinstance(observation, Rechecked | NotFoundYet) else None


def _note_trouble(order: Order, decision: Decision, observation: Observation) -> None:
    """Keep what went wrong, for as long as the order waits because of it."""
    told = observation.trouble if isinstance(observation, PostEnded) else _trouble_in(observation)
    trouble = told if decision.wait is Wait.RETRY else None
    order.trouble_kind = trouble.kind if trouble else None
    order.trouble_status = trouble.status if trouble else None


def _record_trouble(tx: Transaction, order: Order, trouble: Trouble) -> None:
    """Tell the timeline of a request that failed; of many in a row, the first, second, fourth, eighth, …"""
    if order.failures.bit_count() == 1:
        record(
            tx,
            order.id,
            EventType.REQUEST_FAILED,
            reason=trouble.kind,
            status=trouble.status,
            in_a_row=order.failures,
        )


def _write(tx: Transaction, change: Change, decision: Decision) -> None:
    order = change.order
    change.move(decision.status)
    if not decision.keeps_payment_url:
        if order.payment_url is not None and decision.payment_url not in {None, order.payment_url}:
            record(tx, order.id, EventType.PAYMENT_URL_CHANGED)
        order.payment_url = decision.payment_url
    if decision.problem is not None:
        order.error_code = decision.problem.code
        order.error_detail = decision.problem.detail
        order.error_reasons = list(decision.problem.reasons)
    if decision.late_look:
        order.late_look_at = tx.now + LATE_LOOK_AFTER
    if decision.missing is not None:
        if decision.missing != (order.missing_since is not None):
            record(tx, order.id, EventType.NOT_FOUND if decision.missing else EventType.FOUND_AGAIN)
        order.missing_since = (order.missing_since or tx.now) if decision.missing else None
    if decision.ends_word:
        order.resolution = None
        record(tx, order.id, EventType.RESOLUTION_IMPOSSIBLE)
    change.ask_for(decision.attention)


def _reschedule(this: Pass, tx: Transaction, change: Change, decision: Decision) -> float | None:
    """Set when the order is due again, release it, and return in how many seconds that is."""
    order, claim = change.order, this.claim
    is_news = change.is_made or order.wakes != claim.wakes
    order.failures = order.failures + 1 if decision.wait is Wait.RETRY else 0
    delay = this.dependencies.schedule.delay_seconds(
        decision.wait, quiet=0 if is_news else order.quiet, failures=order.failures
    )
    order.quiet = 0 if is_news else order.quiet + 1
    floor = decision.retry_after_seconds
    order.not_before = None if floor is None else tx.now + timedelta(seconds=floor)
    due_at = None if delay is None else (order.not_before or tx.now) + timedelta(seconds=delay)
    if decision.due_by is not None:
        due_at = min(due_at or decision.due_by, decision.due_by)
    leases.release(tx, order, claim, due_at, not_before=order.not_before)
    return None if order.due_at is None else (order.due_at - tx.now).total_seconds()
