"""The state machine: no observation, and no sequence of them, breaks the rules."""

import os
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.states import (
    FINAL,
    GIVEN_UP_FOR,
    LOOK_UPS_BEFORE_PLACING_AGAIN,
    PLACED,
    AttentionCode,
    Decision,
    Doubt,
    ErrorCode,
    GivenUp,
    NotFoundYet,
    Observation,
    OrderStatus,
    Overdue,
    PlacingOff,
    PostEnded,
    PostOutcome,
    Reappeared,
    Rechecked,
    Seen,
    Standing,
    Trouble,
    Unwanted,
    Wait,
    Word,
    decide,
    may_follow,
)
from tests.observations import NOW, OBSERVED, STANDINGS, observations_of

S = OrderStatus
SEQUENCES = int(os.environ.get("PRESSHOOK_SEQUENCES", "300"))
SPANS_SECONDS = st.sampled_from([0, 1, 300, 86_400])


# No deadline: the machine may be busy.
@settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_sequence_of_observations_breaks_the_rules(data: st.DataObject) -> None:
    order = data.draw(STANDINGS, "order")
    now = NOW
    for _ in range(data.draw(st.integers(1, 12))):
        if order.status is S.PENDING and data.draw(st.booleans()):
            # The intent is committed without a decision.
            order = replace(order, status=S.PLACING)
            continue
        observation = data.draw(observations_of(order.status))
        decision = decide(order, observation, now)
        check(order, observation, decision, now)
        passed = timedelta(seconds=data.draw(SPANS_SECONDS))
        order = written(order, decision, passed)
        now += passed


def written(order: Standing, decision: Decision, passed: timedelta) -> Standing:
    """Return what stands in an order's row once a decision is written and some time has passed."""
    return replace(
        order,
        status=decision.status,
        missing_for=lasting(order.missing_for, passed, lasts=decision.missing),
        gone_for=lasting(order.gone_for, passed, lasts=decision.missing),
        silent_for=lasting(order.silent_for, passed, lasts=decision.silent),
        attention=decision.attention,
    )


def lasting(before: timedelta, passed: timedelta, *, lasts: bool | None) -> timedelta:
    """Return for how long something lasts by the next look, if a decision says that it does, or nothing."""
    goes_on = lasts or (lasts is None and before > timedelta())
    return before + passed if goes_on else timedelta()


def check(order: Standing, observation: Observation, decision: Decision, now: datetime) -> None:
    """Check what holds for every decision."""
    if isinstance(observation, Seen | Rechecked) and observation.given_up is not None:
        without = decide(order, replace(observation, given_up=None), now)
        if decision.problem is not None and decision.problem.code is ErrorCode.FAILED_BY_OPERATOR:
            assert without.status not in FINAL, "CloudPress has ended it"
            assert without.attention is not None, "nobody is asked any more"
            is_mixed_up = isinstance(observation, Rechecked) and observation.mixed_up
            assert without.attention.code in GIVEN_UP_FOR or is_mixed_up, "it goes on by itself"
            observation = observation.given_up
    assert may_follow(order.status, decision.status)
    if order.duplicates:
        assert decision.attention is not None
        assert decision.attention.code is AttentionCode.SUSPECTED_DUPLICATE
    if decision.attention is not None:
        assert decision.attention.detail.strip()
    if decision.wait is Wait.RETRY:
        for floor in floors(order, observation):
            assert (decision.retry_after_seconds or 0) >= floor, "Retry-After is a floor"
    check_end(order, observation, decision)
    check_what_stands_beside(order, decision, now)
    if order.status not in FINAL:
        check_reason(order, observation, decision)


def recheck_of(order: Standing, observation: Observation) -> Rechecked:
    """Return what came of looking for a double, if anybody has: for that alone a final order is due."""
    if isinstance(observation, Rechecked):
        return observation
    if isinstance(observation, Seen) and order.status not in FINAL:
        return observation.rechecked
    return Rechecked()


def floors(order: Standing, observation: Observation) -> list[float]:
    """Return how long CloudPress asked to be left alone."""
    troubles = [recheck_of(order, observation).trouble]
    if order.status not in FINAL:
        troubles.append(getattr(observation, "trouble", None))
    return [it.retry_after_seconds for it in troubles if it and it.retry_after_seconds is not None]


def check_end(order: Standing, observation: Observation, decision: Decision) -> None:
    """Check that an open order stays due, that a final one stays as it is, and rests."""
    if decision.status not in FINAL:
        assert decision.wait is not Wait.NOTHING
        assert decision.problem is None
    else:
        rechecked = recheck_of(order, observation)
        rests = Wait.NAMED if rechecked.open_hints else Wait.NOTHING
        if order.duplicates and rests is Wait.NOTHING:
            rests = Wait.PAYMENT
        if isinstance(observation, GivenUp) and order.status not in FINAL:
            rests = Wait.TURN  # it is looked at once more
        assert decision.wait is (Wait.RETRY if rechecked.trouble else rests)
    if order.status in FINAL:
        assert decision.status is order.status
    elif decision.status is S.FAILED:
        assert decision.problem is not None


def check_what_stands_beside(order: Standing, decision: Decision, now: datetime) -> None:
    """Check that a late look is not overslept, and that what is to be cancelled is cancelled at once."""
    looked_for = order.late_look_at is not None or decision.late_look
    if looked_for and decision.status in PLACED:
        assert decision.due_by is not None
        assert decision.due_by > now, "or it would be due again and again"
    if order.cancelling and decision.status not in FINAL:
        assert decision.wait not in {Wait.TASK, Wait.PAYMENT}


def check_reason(order: Standing, observation: Observation, decision: Decision) -> None:
    """Check that an open order goes only where its observation is reason enough."""
    match observation:
        case NotFoundYet():
            check_search(observation, decision)
        case PostEnded():
            check_post(observation, decision)
        case GivenUp():
            assert decision.status is S.FAILED
        case Overdue():
            assert decision.status is S.PENDING
            assert decision.attention is not None
        case Unwanted():
            assert decision.status is S.CANCELLED
            assert decision.late_look == observation.was_sent
        case Reappeared():
            assert decision.status is S.UNCONFIRMED
        case PlacingOff():
            assert decision.status is S.PENDING
        case Seen():
            assert decision.status is not S.COMPLETED or observation.site_read
            assert decision.status not in {S.PENDING, S.PLACING, S.UNCONFIRMED}
        case Rechecked():
            assert decision.status is order.status


def check_search(sought: NotFoundYet, decision: Decision) -> None:
    """Check that only an order that surely is nowhere is sent again or ends, and that doubts are told."""
    nowhere = surely_nowhere(sought)
    by_word = sought.word is not None and not sought.unwanted
    if decision.status is S.CANCELLED:
        assert nowhere
        assert sought.unwanted
        assert decision.late_look
    elif decision.status is S.FAILED:
        assert nowhere
        assert sought.reasons is not None
        assert decision.late_look
    elif decision.status is S.PENDING:
        assert sought.placing
        assert not sought.unwanted
        assert may_go_by_word(sought) if by_word else may_go_by_itself(sought)
    else:
        check_told(sought, decision)


def check_told(sought: NotFoundYet, decision: Decision) -> None:
    """Check that whoever can help is told, and that a word which does not hold any more ends."""
    assert decision.status is S.UNCONFIRMED
    has_learned = sought.trouble is None and not sought.unfinished and not sought.woken
    if has_learned and sought.grace_over and not sought.may_be_told_soon:
        assert decision.attention is not None
    if decision.ends_word:
        assert sought.word is not None
        assert sought.word.unknown or sought.word.called_back or sought.unwanted


def may_go_by_itself(sought: NotFoundYet) -> bool:
    """Tell whether an order may be sent again without a person, as the design says it."""
    reserved = sought.overdue or sought.refused or not sought.may_place_again
    return surely_nowhere(sought) and not reserved


def may_go_by_word(sought: NotFoundYet) -> bool:
    """Tell whether an operator's word lets an order be sent again, as the design says it."""
    word = sought.word
    return (
        word is not None
        and not word.unknown
        and not word.called_back
        and sought.has_looked
        and sought.trouble is None
        and not sought.unfinished
        and not sought.woken
    )


def check_post(post: PostEnded, decision: Decision) -> None:
    """Check that what may have landed is neither sent again nor given up."""
    if decision.status is S.FAILED:
        assert post.outcome is PostOutcome.REJECTED
        assert post.first
    elif decision.status is S.PENDING:
        assert post.outcome in {PostOutcome.NOT_SENT, PostOutcome.HELD_OFF}
    elif decision.status is not S.UNCONFIRMED:
        assert post.outcome is PostOutcome.PLACED


def surely_nowhere(sought: NotFoundYet) -> bool:
    """Tell whether nothing at CloudPress can be an order, as the design says it."""
    return (
        sought.look_ups >= LOOK_UPS_BEFORE_PLACING_AGAIN
        and sought.began_late
        and not sought.doubts
        and not (sought.candidates or sought.suspects or sought.called_back or sought.may_be_told_soon)
        and sought.trouble is None
        and not sought.unfinished
        and not sought.woken
    )


def test_every_observation_is_drawn_in_some_open_status() -> None:
    drawn = {kind for status, kinds in OBSERVED.items() if status not in FINAL for kind in kinds}
    assert drawn == set(get_args(Observation))
    assert set(OBSERVED) == set(OrderStatus)


# Just enough to place again, every field said.
NOWHERE = NotFoundYet(
    grace_over=True,
    trouble=None,
    unfinished=False,
    look_ups=2,
    began_late=True,
    doubts=(),
    candidates=(),
    suspects=(),
    look_alike=False,
    called_back=False,
    placing=True,
    may_place_again=True,
    unwanted=False,
    woken=False,
    overdue=False,
    refused=False,
    reasons=None,
    word=None,
    has_looked=True,
    may_be_told_soon=False,
)


def test_an_order_that_surely_is_nowhere_is_placed_again() -> None:
    assert LOOK_UPS_BEFORE_PLACING_AGAIN == 2
    assert decide(Standing(S.UNCONFIRMED), NOWHERE, NOW).status is S.PENDING


def test_an_unwanted_order_that_surely_is_nowhere_is_cancelled_and_looked_for_once_more() -> None:
    decision = decide(Standing(S.UNCONFIRMED), replace(NOWHERE, unwanted=True), NOW)
    assert (decision.status, decision.wait, decision.late_look) == (S.CANCELLED, Wait.NOTHING, True)


@pytest.mark.parametrize(
    "change",
    [
        {"doubts": (Doubt.NO_LATER_ORDER,)},
        {"candidates": ("cp-1",)},
        {"candidates": ("cp-1", "cp-2")},
        {"suspects": ("cp-1",)},
        {"called_back": True},
        {"refused": True, "doubts": (Doubt.NO_LATER_ORDER,)},
        {"word": Word(unknown=("cp-1",)), "suspects": ("cp-1",), "overdue": True},
        {"may_place_again": False, "doubts": (Doubt.NO_LATER_ORDER,)},
    ],
)
def test_whoever_is_asked_about_an_unwanted_order_is_offered_no_word_that_it_does_not_take(
    change: dict[str, object],
) -> None:
    unwanted = replace(NOWHERE, unwanted=True, **change)  # type: ignore[arg-type]
    asked = decide(Standing(S.UNCONFIRMED), unwanted, NOW).attention
    assert asked is not None
    assert "wants it cancelled" in asked.detail
    assert "adopt that CloudPress order, so that it is cancelled there, or fail" in asked.detail
    assert not any(it in asked.detail for it in (", place again", "sent again", "PLACE_AGAIN"))


@pytest.mark.parametrize("change", [{"placing": False}, {"may_place_again": False}, {"overdue": True}])
def test_nobody_is_asked_what_keeps_an_unwanted_order_from_being_sent_again(
    change: dict[str, object],
) -> None:
    early = replace(NOWHERE, unwanted=True, look_ups=1, **change)  # type: ignore[arg-type]
    assert decide(Standing(S.UNCONFIRMED), early, NOW).attention is None
    wanted = replace(early, unwanted=False)
    assert decide(Standing(S.UNCONFIRMED), wanted, NOW).attention is not None


def test_a_rejected_order_that_surely_is_nowhere_fails_and_is_looked_for_once_more() -> None:
    decision = decide(Standing(S.UNCONFIRMED), replace(NOWHERE, refused=True, reasons=("no",)), NOW)
    assert (decision.status, decision.late_look) == (S.FAILED, True)
    assert decision.problem is not None
    assert decision.problem.code == "rejected"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"look_ups": 1}, "one look-up may have come just before it landed"),
        ({"began_late": False}, "the last look-up began within the grace"),
        ({"unfinished": True}, "a look-up is under way"),
        *(({"doubts": (doubt,)}, doubt.sentence) for doubt in Doubt),
        ({"candidates": ("cp-1",)}, "it may be this one"),
        ({"candidates": ("cp-1", "cp-2")}, "it may be one of these"),
        ({"suspects": ("cp-1",)}, "it may be this one, whatever it tells"),
        ({"called_back": True}, "whoever calls back has made it"),
        ({"may_be_told_soon": True}, "its own callback may be about to name it"),
        ({"trouble": Trouble("timeout")}, "something was not answered"),
        ({"woken": True}, "there was news while it was looked for"),
        ({"placing": False}, "the operator lets nothing be sent"),
        ({"may_place_again": False}, "the operator leaves it to people"),
        ({"overdue": True}, "nobody may want it any more"),
        ({"refused": True}, "somebody said no for good, though not CloudPress"),
    ],
)
def test_each_doubt_alone_forbids_placing_again(change: dict[str, object], reason: str) -> None:
    doubtful = replace(NOWHERE, **change)  # type: ignore[arg-type]
    assert doubtful != NOWHERE
    decision = decide(Standing(S.UNCONFIRMED), doubtful, NOW)
    assert decision.status is S.UNCONFIRMED, reason


WORD = replace(NOWHERE, word=Word(), doubts=(Doubt.NO_LATER_ORDER,), look_ups=0, began_late=False)


def test_an_operators_word_outweighs_doubts() -> None:
    known = replace(WORD, suspects=("cp-1",), called_back=True, refused=True, overdue=True)
    assert decide(Standing(S.UNCONFIRMED), known, NOW).status is S.PENDING


@pytest.mark.parametrize(
    ("change", "ends", "reason"),
    [
        ({"word": Word(unknown=("cp-1",))}, True, "he did not know of it"),
        ({"word": Word(called_back=True)}, True, "he did not know that it called back"),
        ({"has_looked": False}, False, "nobody has looked since"),
        ({"woken": True}, False, "there was news meanwhile"),
        ({"trouble": Trouble("timeout")}, False, "something was not answered"),
        ({"placing": False}, False, "nothing is sent at the moment"),
    ],
)
def test_what_an_operator_did_not_know_outweighs_his_word(
    change: dict[str, object],
    ends: bool,  # noqa: FBT001 - a parameter of a table
    reason: str,
) -> None:
    decision = decide(Standing(S.UNCONFIRMED), replace(WORD, **change), NOW)  # type: ignore[arg-type]
    assert (decision.status, decision.ends_word) == (S.UNCONFIRMED, ends), reason
    if ends:
        assert decision.attention is not None


def test_every_field_of_a_search_is_said() -> None:
    assert len(fields(NotFoundYet)) == 20, "a new one that speaks against placing again needs its row above"
