"""`decide`: what an observation makes of an order. All that is decided is decided here."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.states import attention
from app.states.codes import Attention, AttentionCode, ErrorCode, Problem
from app.states.doubled import doubled, left_alone
from app.states.given_up import given_up_in, is_to_fail
from app.states.observations import (
    CutOff,
    Decision,
    GivenUp,
    NotFoundYet,
    Observation,
    Overdue,
    PlacingOff,
    PostEnded,
    Reappeared,
    Rechecked,
    Seen,
    Standing,
    Trouble,
    Unwanted,
    Wait,
    Word,
    claimed_in,
    mixed_up_in,
)
from app.states.refuting import without_refuted
from app.states.silence import with_silence, without_counted, without_overtaken
from app.states.statuses import (
    AWAITING_PAYMENT,
    CANCELLED,
    COMPLETED,
    FAILED,
    FINAL,
    PENDING,
    PLACED,
    PROVISIONING,
    UNCONFIRMED,
)
from app.states.words import PostOutcome, is_done, is_final_order, is_final_task

MISSING_ATTENTION_SECONDS = 24 * 3600
GONE_AFTER = timedelta(minutes=10)
"""An order that CloudPress agreed to cancel, and does not show for as long, is taken for cancelled."""
LATE_LOOK_AFTER = timedelta(hours=5)
"""An order that may have been placed more than once is looked for once more then."""
LATE_LOOK_RETRY = timedelta(minutes=1)
LATE_LOOK_BACKSTOP = timedelta(hours=2)
"""Where it has failed, it is tried less and less often, as is all that fails."""


def decide(order: Standing, observation: Observation, now: datetime) -> Decision:
    """Say what an observation means for an order. A final order stays as it is."""
    decision = _by_what_was_observed(order, observation, now)
    word = given_up_in(observation)
    if word is None:
        return decision
    is_failing = is_to_fail(order, observation, word, decision)
    if is_failing:
        failed = _by_what_was_observed(order, word, now)
        # Whose it is what the order holds is still asked: nobody is to cancel it as one too many.
        return replace(failed, attention=decision.attention) if mixed_up_in(observation) else failed
    # While it is held back, no look at the order is made that could tell what to do.
    counts = not (isinstance(observation, Rechecked) and observation.may_be_told_soon)
    return replace(decision, ends_word=is_failing is False, word_waits=is_failing is None, word_counts=counts)


def _by_what_was_observed(order: Standing, observation: Observation, now: datetime) -> Decision:
    order, counted = without_refuted(without_counted(order), observation), order
    order = without_overtaken(order, observation)
    decision = _stays_final(order, observation) if order.status in FINAL else _goes_on(order, observation)
    decision = _with_what_stands_beside(order, observation, decision, now)
    return with_silence(counted, observation, decision)


def _goes_on(order: Standing, observation: Observation) -> Decision:
    match observation:
        case PostEnded():
            return _after_post(order, observation)
        case CutOff():
            return Decision(UNCONFIRMED, Wait.LOOK_UP)
        case PlacingOff():
            return Decision(PENDING, Wait.TASK, attention=order.attention)
        case Overdue():
            return Decision(PENDING, Wait.PAYMENT, attention=attention.NOT_SENT)
        case Reappeared():
            return Decision(UNCONFIRMED, Wait.TURN, attention=_refused_before(order))
        case Unwanted():
            return Decision(CANCELLED, Wait.NOTHING, late_look=observation.was_sent)
        case NotFoundYet():
            decision = _still_looking(order, observation)
            # What its client wants cancelled is not placed again, so a word to do that has no end but this.
            is_in_vain = observation.word is not None and observation.unwanted
            return replace(decision, ends_word=decision.ends_word or is_in_vain)
        case GivenUp():
            problem = Problem(ErrorCode.FAILED_BY_OPERATOR, f"Given up by {observation.by}.")
            # Callbacks and answers that the operator had not seen are looked at: it may be bought.
            return Decision(FAILED, Wait.TURN, problem=problem, late_look=observation.was_sent)
        case Seen() | Rechecked():
            return _looked_at(order, observation)


def _with_what_stands_beside(
    order: Standing, observation: Observation, decision: Decision, now: datetime
) -> Decision:
    """Add what follows from suspected duplicates, from the request to cancel, and from the late look."""
    if order.duplicates:
        mixed_up = mixed_up_in(observation) or order.mixed_up
        claimed = tuple(dict.fromkeys((*claimed_in(observation), *order.anothers)))
        if decision.attention == attention.MISSING and not (mixed_up or claimed):
            asked = left_alone(order.held, order.duplicates)
        else:
            asked = doubled(
                order.held,
                order.duplicates,
                mixed_up,
                claimed,
                by_answer=order.by_answer,
                unwanted=order.unwanted,
            )
        is_called_back = isinstance(observation, Rechecked) and observation.called_back
        asked = attention.with_callback(asked, is_called_back=is_called_back)
        # A final order is looked at until one of them is cancelled, or an operator has spoken.
        wait = Wait.PAYMENT if decision.wait is Wait.NOTHING else decision.wait
        decision = replace(decision, attention=asked, wait=wait)
    if order.cancelling and decision.status not in FINAL and decision.wait in {Wait.TASK, Wait.PAYMENT}:
        decision = replace(decision, wait=Wait.TURN)  # what was just placed or found is cancelled
    late_look_at = now + LATE_LOOK_AFTER if decision.late_look else order.late_look_at
    if late_look_at is not None and decision.status in PLACED:
        # One that is overdue was tried just now; an order that is sought is looked up anyway.
        again = LATE_LOOK_BACKSTOP if decision.wait is Wait.RETRY else LATE_LOOK_RETRY
        decision = replace(decision, due_by=max(late_look_at, now + again))
    return decision


def _stays_final(order: Standing, observation: Observation) -> Decision:
    if not isinstance(observation, Rechecked):
        return Decision(order.status, Wait.NOTHING, attention=order.attention)
    asked = _asked_after_its_end(order, observation)
    return _until_rechecked(Decision(order.status, Wait.NOTHING, attention=asked), observation)


def _asked_after_its_end(order: Standing, rechecked: Rechecked) -> Attention | None:
    trouble, before = rechecked.trouble, order.attention
    if rechecked.called_back or _is_called_back_after_its_end(order):
        # No trouble with CloudPress hides it.
        return attention.called_back_after_its_end(order.held, is_cancelled=order.status == CANCELLED)
    if trouble is None:
        return None
    # No cause has gone but those that are refuted by now.
    return before or (attention.NO_TOKEN_AFTER_ITS_END if trouble.is_without_token else None)


def _is_called_back_after_its_end(order: Standing) -> bool:
    """Tell whether a person was asked about a callback, which what comes later does not explain."""
    return order.attention is not None and order.attention.code is AttentionCode.PLACEMENT_CALLED_BACK


def _looked_at(order: Standing, observation: Seen | Rechecked) -> Decision:
    if isinstance(observation, Seen):
        decision = _seen(order, observation)
        return _until_rechecked(decision, observation.rechecked, beside=observation.trouble)
    # Where it may hold another's, nothing is asked of that, done to it, or taken from it.
    wait = Wait.NAMED if observation.mixed_up or observation.may_be_told_soon else Wait.TURN
    asked = attention.refused(observation.trouble) if observation.may_be_told_soon else None
    unchanged = Decision(
        order.status, wait, keeps_payment_url=not observation.mixed_up, attention=asked or order.attention
    )
    return _until_rechecked(unchanged, observation)


def _until_rechecked(decision: Decision, rechecked: Rechecked, *, beside: Trouble | None = None) -> Decision:
    """Have an order looked at again, also a final one, where what speaks for a double was not seen yet.

    `beside` is what went wrong with the requests about the order itself: its `Retry-After` holds as well.
    """
    if rechecked.trouble is not None:
        floors = [trouble.retry_after_seconds for trouble in (rechecked.trouble, beside) if trouble]
        retry_after = max((floor for floor in floors if floor is not None), default=None)
        return replace(decision, wait=Wait.RETRY, retry_after_seconds=retry_after)
    if rechecked.may_be_told_soon and decision.wait is Wait.TASK:
        return replace(decision, wait=Wait.TURN)
    if rechecked.open_hints and decision.wait is Wait.NOTHING:
        return replace(decision, wait=Wait.NAMED)
    return decision


def _after_post(order: Standing, post: PostEnded) -> Decision:
    retry_after = post.trouble.retry_after_seconds if post.trouble else None
    match post.outcome:
        case PostOutcome.PLACED:
            decided = is_final_task(post.task_status) or is_final_order(post.order_status)
            return _open(post, Wait.TURN if decided else None)
        case PostOutcome.NOT_SENT | PostOutcome.HELD_OFF if order.cancelling:
            return Decision(PENDING, Wait.TURN)  # dropping it needs no request, so no `Retry-After` holds it
        case PostOutcome.NOT_SENT:
            return Decision(PENDING, Wait.RETRY, attention=order.attention, retry_after_seconds=retry_after)
        case PostOutcome.HELD_OFF:
            asked = attention.refused(post.trouble) or order.attention
            return Decision(PENDING, Wait.RETRY, attention=asked, retry_after_seconds=retry_after)
        case PostOutcome.REJECTED if post.first:
            return Decision(FAILED, Wait.NOTHING, problem=_rejected(post.reasons))
        case PostOutcome.REJECTED | PostOutcome.UNKNOWN:
            # A later attempt can be refused *because* an earlier one landed.
            return Decision(UNCONFIRMED, Wait.LOOK_UP, retry_after_seconds=retry_after)


def _still_looking(order: Standing, sought: NotFoundYet) -> Decision:
    if sought.trouble is not None:
        return Decision(
            UNCONFIRMED,
            Wait.RETRY,
            attention=_refused_while_sought(sought) or _asked_meanwhile(order, sought),
            retry_after_seconds=sought.trouble.retry_after_seconds,
        )
    if sought.unfinished:
        return Decision(UNCONFIRMED, Wait.TURN, attention=_asked_meanwhile(order, sought))
    if sought.woken:
        # What came in during this pass may speak against all that follows.
        return Decision(UNCONFIRMED, Wait.TURN, attention=order.attention)
    if sought.word is not None and not sought.unwanted:
        return _by_word(order, sought, sought.word)
    if not sought.is_nowhere:
        return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=_asked_by(order, sought))
    if sought.unwanted:
        return Decision(CANCELLED, Wait.NOTHING, late_look=True)
    if sought.reasons is not None:
        return Decision(FAILED, Wait.NOTHING, problem=_rejected(sought.reasons), late_look=True)
    if sought.placing and not sought.reservations:
        return Decision(PENDING, Wait.TURN, attention=_refused_before(order))
    return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=_asked_by(order, sought))


def _by_word(order: Standing, sought: NotFoundYet, word: Word) -> Decision:
    """Do as an operator said, unless there is something that he did not know."""
    if not word.still_holds:
        return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=attention.unconfirmed(sought), ends_word=True)
    if sought.placing and sought.has_looked:
        return Decision(PENDING, Wait.TURN)
    return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=_asked_by(order, sought))


def _asked_by(order: Standing, sought: NotFoundYet) -> Attention | None:
    """Return what a person is asked once the grace is over, or was by another machine's count."""
    is_asked = order.attention is not None and order.attention.code in attention.OF_PLACEMENTS
    # After a day it is not sent again by itself, whatever machines that come and go count of the grace.
    is_over = sought.grace_over or (sought.overdue and sought.trouble is None)
    waits = sought.is_nowhere_but_for_time or sought.may_be_told_soon
    if is_asked or (is_over and not waits):
        return attention.unconfirmed(sought)
    return _refused_before(order) if sought.grace_over else None


def _refused_before(order: Standing) -> Attention | None:
    """Return that CloudPress refuses to take the order, which no look at what it has refutes."""
    is_refused = order.attention is not None and order.attention.code in attention.REFUSALS
    return order.attention if is_refused else None


def _refused_while_sought(sought: NotFoundYet) -> Attention | None:
    asked = attention.refused(sought.trouble)
    return asked and attention.with_callback(asked, is_called_back=sought.called_back)


def _asked_meanwhile(order: Standing, sought: NotFoundYet) -> Attention | None:
    """Return what a person is asked while nothing is learned: what was said stands.

    What a callback says needs no request, so no trouble with CloudPress hides it.
    """
    before = order.attention
    if before is None or before.code not in attention.OF_PLACEMENTS:
        return before or _asked_by(order, sought)
    tells_no_more = before.code in {AttentionCode.PLACEMENT_UNCONFIRMED, AttentionCode.PLACEMENT_REFUSED}
    # That a word is overtaken is told with its end, once the list is read.
    if sought.called_back and tells_no_more and sought.word is None:
        return attention.unconfirmed(sought)
    return attention.with_callback(before, is_called_back=sought.called_back)


def _rejected(reasons: tuple[str, ...]) -> Problem:
    detail = "CloudPress refused the order" + (f": {'; '.join(reasons)}" if reasons else ".")
    return Problem(ErrorCode.REJECTED, detail, reasons)


def _open(shown: PostEnded | Seen, wait: Wait | None = None) -> Decision:
    if shown.payment_url:
        return Decision(AWAITING_PAYMENT, wait or Wait.PAYMENT, payment_url=shown.payment_url)
    if shown.odd_payment_url:
        return Decision(AWAITING_PAYMENT, wait or Wait.PAYMENT, attention=attention.NO_PAYMENT_PAGE)
    return Decision(PROVISIONING, wait or Wait.TASK)


def _seen(order: Standing, seen: Seen) -> Decision:
    final = _final(seen)
    if final is not None:
        return final
    if seen.order_status is None:
        # The order itself was not shown, so neither was whether a payment is awaited.
        status = order.status if order.status in PLACED else PROVISIONING
        shown = Decision(status, Wait.TASK, keeps_payment_url=True)
    else:
        shown = _open(seen, Wait.SETTLING if _settling(seen) else None)
    if seen.trouble is not None:
        return replace(
            shown,
            wait=Wait.RETRY,
            # Nothing was learned, so no cause has gone.
            attention=attention.refused(seen.trouble) or order.attention,
            retry_after_seconds=seen.trouble.retry_after_seconds,
        )
    if seen.cancel_accepted or (seen.nothing_to_cancel and seen.is_gone):
        return _being_cancelled(order, seen, shown)
    if seen.foreign:
        missing = True if seen.missing else None
        # Nor is a payment asked for what may be another's.
        shown = replace(shown, payment_url=None, keeps_payment_url=False)
        return replace(shown, wait=Wait.SETTLING, attention=attention.FOREIGN_LINK, missing=missing)
    if seen.missing:
        asked = _asked_beside_404(order, seen, shown)
        return replace(shown, wait=Wait.SETTLING, attention=asked, missing=True)
    return replace(shown, missing=False)


def _being_cancelled(order: Standing, seen: Seen, shown: Decision) -> Decision:
    """Say what becomes of an order that CloudPress has agreed to cancel: one that it shows no more is over.

    So is one of which it says so where it is asked to cancel it: it has heard that before, perhaps.
    A single 404 may be another's word, as the yes may have been: it has to last, and no task may be shown.
    """
    if seen.is_gone and order.gone_for >= GONE_AFTER:
        return Decision(CANCELLED, Wait.NOTHING)
    return replace(shown, wait=Wait.SETTLING, missing=seen.is_gone)


def _asked_beside_404(order: Standing, seen: Seen, shown: Decision) -> Attention | None:
    """Say what a person is asked where something known was answered with 404.

    That refutes nothing of what was said about what CloudPress shows: it may show the same again.
    """
    before = order.attention
    if before is not None and before.code is AttentionCode.FOREIGN_LINK:
        return before
    asked = _missing(order) or shown.attention
    if asked is None and before is not None and before.code is AttentionCode.PAYMENT_URL_UNUSABLE:
        return before if seen.order_status is None else None
    return asked


def _final(seen: Seen) -> Decision | None:
    """Return the final decision, if what was seen allows one."""
    tasks = {status.upper() for status in seen.tasks}
    own = (seen.order_status or "").lower()
    no_task_is_final = not any(is_final_task(status) for status in tasks)
    if "FAILED" in tasks:
        problem = Problem(ErrorCode.TASK_FAILED, "CloudPress's task for this order failed.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    if "CANCELLED" in tasks or (no_task_is_final and own == "cancelled"):
        return Decision(CANCELLED, Wait.NOTHING)
    if no_task_is_final and own == "failed":
        problem = Problem(ErrorCode.ORDER_FAILED, "CloudPress reports that the order failed.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    if seen.site_read and not seen.foreign and _settling(seen):
        return Decision(COMPLETED, Wait.NOTHING)
    return None


def is_decided(seen: Seen) -> bool:
    """Tell whether CloudPress shows that it has finished with an order, one way or another."""
    return _final(seen) is not None or _settling(seen)


def _settling(seen: Seen) -> bool:
    """Tell whether only the site's details can be missing.

    Where a request for the order or for one of its tasks failed, a task that is not known of may still run.
    """
    return seen.trouble is None and is_done(seen.order_status, seen.tasks)


def _missing(order: Standing) -> Attention | None:
    is_lasting = order.missing_for >= timedelta(seconds=MISSING_ATTENTION_SECONDS)
    return attention.MISSING if is_lasting else None
