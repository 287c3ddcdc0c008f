"""Concludes a pass: what was found is written, what it means decided and done, and the order given back."""

from dataclasses import replace
from datetime import timedelta

from app.db.lasting import Met, Span, counted_since, lasted, met_again, met_again_since, moment
from app.db.models import Order
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.cancelling import is_unwanted, was_perhaps_cancelled
from app.orders.changing import Change, changing
from app.orders.mix_ups import mixed_up_with
from app.orders.spoken import end_undone, have_word_wait, is_given_up
from app.queue import leases
from app.reconciler.evidence import ANSWER
from app.reconciler.keeping import keep
from app.reconciler.keeping_tasks import keep_listed
from app.reconciler.known import Known
from app.reconciler.look_alikes import may_be_anothers
from app.reconciler.passes import Finished, Pass, PassResult
from app.reconciler.silences import keep_silence, silent_for
from app.reconciler.writing import Held
from app.states import (
    FINAL,
    LATE_LOOK_AFTER,
    Attention,
    AttentionCode,
    CutOff,
    Decision,
    Observation,
    PostEnded,
    Seen,
    Standing,
    Trouble,
    Wait,
    decide,
    trouble_in,
)


async def conclude(this: Pass, action: str, observation: Observation) -> PassResult | None:
    """Decide what an observation means and write it, if the lease is still held.

    Returns None, having written nothing, if the lease was lost: who holds it now asks again.
    """
    return await this.write(lambda held: apply(this, held, action, observation))


async def apply(this: Pass, held: Held, action: str, observation: Observation) -> PassResult:
    """Write what was found of an order that is held and locked, apply an observation, and release it.

    Raises:
        ForbiddenTransitionError: the decision is no allowed transition; the transaction must not commit.
    """
    tx, order, findings = held.tx, held.order, held.findings
    before, asked_before, had = order.status, order.attention_code, order.cloudpress_order_id
    async with changing(tx, order, action=action, view=held.loaded.view) as change:
        site = findings.site
        if (
            isinstance(observation, Seen)
            and site is not None
            and await held.loaded.is_site_of_another(order, site.value.id)
        ):
            findings.site, observation = None, replace(observation, site_read=False, foreign=True)
        change.shows_more = await keep(held)
        is_replaced = had not in {None, order.cloudpress_order_id}
        stands = standing(tx, order, is_replaced=is_replaced)
        stands = replace(stands, anothers=await may_be_anothers(this, tx, order))
        decision = decide(stands, observation, tx.now)
        if decision.status in FINAL and isinstance(observation, Seen):
            await keep_listed(held)
        _write(tx, change, decision)
        _keep_gone(tx, order, observation)
        due_in_seconds = _reschedule(this, tx, change, decision)
        if not isinstance(observation, CutOff):  # which looks at nothing of what has come in
            order.seen_wakes = this.claim.wakes
        _note_trouble(order, decision, observation)
        trouble = trouble_in(observation)
        if trouble is not None and not trouble.is_without_token:
            _record_trouble(tx, order, trouble)
    finished = _finished(this, held) if order.status in FINAL and before not in FINAL else None
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


def _finished(this: Pass, held: Held) -> Finished:
    # What was known when the pass began: a callback that came in since has not led to this.
    known: Known | None = this.claim.beside
    called_back = [it.last_received_at for it in known.callbacks] if known is not None else []
    since_callback = (held.tx.now - max(called_back)).total_seconds() if called_back else None
    return Finished((held.tx.now - held.order.created_at).total_seconds(), since_callback)


async def put_off(this: Pass, attention: Attention) -> float | None:
    """Give back an order that a pass could not deal with: it is due later and later, and says why.

    Returns in how many seconds it is due, None if the lease was lost.
    """

    async def write(held: Held) -> float | None:
        tx, order = held.tx, held.order
        async with changing(tx, order, action="put_off", view=held.loaded.view) as change:
            change.ask_for(attention)
            if is_given_up(order):
                have_word_wait(tx, order)
            order.failures += 1
            keep_silence(tx, order, is_silent=False)  # it was not CloudPress that told nothing
            delay = this.dependencies.schedule.delay_seconds(Wait.RETRY, quiet=0, failures=order.failures)
            due_at = tx.now + timedelta(seconds=delay or 0.0)
            return leases.release(tx, order, this.claim, due_at, not_before=order.not_before)

    due_in_seconds: float | None = await this.write(write)
    return due_in_seconds


def standing(tx: Transaction, order: Order, *, is_replaced: bool = False) -> Standing:
    """Return what of an order's row bears on a decision, and whether it had another one until now."""
    attention = None
    if order.attention_code is not None:
        attention = Attention(AttentionCode(order.attention_code), order.attention_detail or "")
    return Standing(
        order.status,
        missing_for=_missing_for(tx, order, Span.HOURS),
        gone_for=_gone_for(tx, order),
        silent_for=silent_for(tx, order),
        attention=attention,
        held=order.cloudpress_order_id,
        by_answer=order.cloudpress_order_id_source == ANSWER,
        duplicates=tuple(order.suspected_duplicates or ()),
        mixed_up=tuple(sorted(mixed_up_with(order) or ())),
        late_look_at=order.late_look_at,
        cancelling=order.cancel_requested_at is not None and order.cancel_accepted_at is None,
        unwanted=is_unwanted(order),
        is_replaced=is_replaced,
    )


def _missing_for(tx: Transaction, order: Order, span: Span) -> timedelta:
    """Return for how long an order is missing, if it is now, counted from look to look as a span says."""
    return lasted(order.missing_known_since, moment(tx), span)


def _gone_for(tx: Transaction, order: Order) -> timedelta:
    """Return for how long an order that is to be cancelled is gone, if it is now.

    Before CloudPress has agreed to that, something else of the order may be missing for longer.
    """
    if order.cancel_accepted_at is not None:
        return _missing_for(tx, order, Span.MINUTES)
    return lasted(_gone_known_since(order), moment(tx), Span.MINUTES)


def _gone_known_since(order: Order) -> Met | None:
    """Return what is kept of that; None where it is about another wish, another order, or another absence.

    Each may have been ended by a release that knows nothing of this.
    """
    if order.missing_since is None or not was_perhaps_cancelled(order):
        return None
    return counted_since(order.gone_known_since, order.missing_since)


def _keep_gone(tx: Transaction, order: Order, observation: Observation) -> None:
    """Count for how long there is nothing to be cancelled; a look that told nothing ends no count."""
    if not isinstance(observation, Seen) or observation.trouble is not None:
        return
    is_gone = observation.nothing_to_cancel and observation.is_gone
    since = order.missing_since
    met = _gone_known_since(order)
    order.gone_known_since = (
        met_again_since(met, moment(tx), since) if is_gone and since is not None else None
    )


def _keep_missing(tx: Transaction, order: Order, *, is_missing: bool) -> None:
    """Begin to count how long an order is missing, go on with it, or end it."""
    if is_missing != (order.missing_since is not None):
        record(tx, order.id, EventType.NOT_FOUND if is_missing else EventType.FOUND_AGAIN)
        order.missing_known_since = None
    order.missing_since = (order.missing_since or tx.now) if is_missing else None
    if is_missing:
        order.missing_known_since = met_again(order.missing_known_since, moment(tx))


def _note_trouble(order: Order, decision: Decision, observation: Observation) -> None:
    """Keep what went wrong, for as long as the order waits because of it."""
    told = observation.trouble if isinstance(observation, PostEnded) else trouble_in(observation)
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
    if decision.ends_word:
        end_undone(tx, order)
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
        _keep_missing(tx, order, is_missing=decision.missing)
    if decision.silent is not None:
        keep_silence(tx, order, is_silent=decision.silent)
    if decision.word_waits:
        have_word_wait(tx, order, counts=decision.word_counts)
    change.ask_for(decision.attention)


def _reschedule(this: Pass, tx: Transaction, change: Change, decision: Decision) -> float | None:
    """Set when the order is due again, release it, and return in how many seconds that is."""
    order, claim = change.order, this.claim
    is_news = change.is_news or order.wakes != claim.wakes
    order.failures = order.failures + 1 if decision.wait is Wait.RETRY else 0
    delay = this.dependencies.schedule.delay_seconds(
        decision.wait,
        quiet=0 if is_news else order.quiet,
        failures=order.failures,
        is_asked=decision.attention is not None,
        is_final=decision.status in FINAL,
    )
    order.quiet = 0 if is_news else order.quiet + 1
    # Of several requests that failed one is told; what CloudPress asked for with any of them holds.
    floors = [it for it in (decision.retry_after_seconds, this.left_alone_seconds) if it is not None]
    floor = max(floors, default=None)
    order.not_before = None if floor is None else tx.now + timedelta(seconds=floor)
    due_at = None if delay is None else (order.not_before or tx.now) + timedelta(seconds=delay)
    if decision.due_by is not None:
        due_at = min(due_at or decision.due_by, decision.due_by)
    return leases.release(tx, order, claim, due_at, not_before=order.not_before)
