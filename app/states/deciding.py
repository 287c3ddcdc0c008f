"""`decide`: what an observation makes of an order. All that is decided is decided from here."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.states import attention
from app.states.codes import ErrorCode, Problem
from app.states.decision import Decision, Wait
from app.states.doubled import doubled, left_alone
from app.states.given_up import given_up_in, is_to_fail
from app.states.observations import (
    CutOff,
    GivenUp,
    NotFoundYet,
    Observation,
    Overdue,
    PlacingOff,
    PostEnded,
    Reappeared,
    Rechecked,
    Seen,
    Unwanted,
    claimed_in,
    mixed_up_in,
)
from app.states.posting import after_post
from app.states.rechecking import looked_at, stays_final
from app.states.refuting import without_refuted
from app.states.seeking import refused_before, still_looking
from app.states.silence import with_silence, without_counted, without_overtaken
from app.states.standing import Standing
from app.states.statuses import CANCELLED, FAILED, FINAL, PENDING, PLACED, UNCONFIRMED

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
        # Whose it is what the order holds is still asked: what it is mixed up with is in its standing.
        return _by_what_was_observed(order, word, now)
    # While it is held back, no look at the order is made that could tell what to do.
    counts = not (isinstance(observation, Rechecked) and observation.may_be_told_soon)
    return replace(decision, ends_word=is_failing is False, word_waits=is_failing is None, word_counts=counts)


def _by_what_was_observed(order: Standing, observation: Observation, now: datetime) -> Decision:
    order, counted = without_refuted(without_counted(order), observation), order
    order = without_overtaken(order, observation)
    decision = stays_final(order, observation) if order.status in FINAL else _goes_on(order, observation)
    decision = _with_what_stands_beside(order, observation, decision, now)
    return with_silence(counted, observation, decision)


def _goes_on(order: Standing, observation: Observation) -> Decision:
    match observation:
        case PostEnded():
            return after_post(order, observation)
        case CutOff():
            return Decision(UNCONFIRMED, Wait.LOOK_UP)
        case PlacingOff():
            return Decision(PENDING, Wait.TASK, attention=order.attention)
        case Overdue():
            return Decision(PENDING, Wait.PAYMENT, attention=attention.NOT_SENT)
        case Reappeared():
            return Decision(UNCONFIRMED, Wait.TURN, attention=refused_before(order))
        case Unwanted():
            return Decision(CANCELLED, Wait.NOTHING, late_look=observation.was_sent)
        case NotFoundYet():
            decision = still_looking(order, observation)
            # What its client wants cancelled is not placed again, so a word to do that has no end but this.
            is_in_vain = observation.word is not None and observation.unwanted
            return replace(decision, ends_word=decision.ends_word or is_in_vain)
        case GivenUp():
            problem = Problem(ErrorCode.FAILED_BY_OPERATOR, f"Given up by {observation.by}.")
            # Callbacks and answers that the operator had not seen are looked at: it may be bought.
            return Decision(FAILED, Wait.TURN, problem=problem, late_look=observation.was_sent)
        case Seen() | Rechecked():
            return looked_at(order, observation)


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
