"""The state machine: what an observation means. (`test_state_sequences.py`: what none may do.)"""

# ruff: noqa: E501 - the table reads by its lines

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import states
from app.states import (
    TRANSITIONS,
    Attention,
    AttentionCode,
    CutOff,
    Doubt,
    GivenUp,
    NotFoundYet,
    Observation,
    OrderStatus,
    PlacingOff,
    PostEnded,
    PostOutcome,
    Seen,
    Standing,
    Trouble,
    Wait,
    decide,
    outcome_of_refusal,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
S = OrderStatus
DOCS = Path(__file__).parents[1] / "docs" / "states.md"


def test_the_diagram_and_the_transitions_agree() -> None:
    drawn = set(re.findall(r"^\s+(\w+) --> (\w+)$", DOCS.read_text(), re.MULTILINE))
    allowed = {(str(before), str(after)) for before, afters in TRANSITIONS.items() for after in afters}
    assert drawn == allowed


def test_the_module_says_the_same_transitions() -> None:
    written = re.findall(r"^    (\w+) +-> (.+)$", states.__doc__ or "", re.MULTILINE)
    said = {(before, after) for before, afters in written for after in afters.split(", ")}
    allowed = {(str(before), str(after)) for before, afters in TRANSITIONS.items() for after in afters}
    assert said == allowed


ANYONE, OWN, KNOWN = (False, False), (True, False), (False, True)
"""Who may have spoken: anyone; CloudPress, by its form; a host where CloudPress has answered before."""


@pytest.mark.parametrize(
    ("status", "who", "retry_after", "outcome", "reason"),
    [
        (200, OWN, None, PostOutcome.UNKNOWN, "a 2xx is no refusal, so nobody can have learned an outcome here"),
        (103, ANYONE, None, PostOutcome.UNKNOWN, "an interim answer is no outcome"),
        *((status, ANYONE, None, PostOutcome.HELD_OFF, "a wrong base URL") for status in (301, 307, 308)),
        *(
            (status, OWN, None, PostOutcome.UNKNOWN, "it may say where to find what was made")
            for status in (300, 302, 303, 304, 305, 306, 399)
        ),
        *((status, OWN, None, PostOutcome.REJECTED, "the order itself is wrong") for status in (400, 402, 404, 409, 422)),
        *(
            (status, KNOWN, 5.0, PostOutcome.UNKNOWN, "a proxy may have said it of what went through")
            for status in (400, 402, 404, 409, 422, 401, 403, 407, 413)
        ),
        *((status, OWN, None, PostOutcome.HELD_OFF, "the token is the operator's to mend") for status in (401, 403)),
        (408, OWN, None, PostOutcome.UNKNOWN, "CloudPress may have read the request before it gave up"),
        (418, OWN, None, PostOutcome.UNKNOWN, "no page lists it"),
        (429, OWN, None, PostOutcome.HELD_OFF, "CloudPress asks to wait"),
        (429, KNOWN, 5.0, PostOutcome.HELD_OFF, "CloudPress asks to wait, as its page says it does"),
        (429, KNOWN, None, PostOutcome.UNKNOWN, "its page says that it would say for how long"),
        (429, ANYONE, 5.0, PostOutcome.UNKNOWN, "nobody knows who speaks"),
        (503, OWN, 5.0, PostOutcome.HELD_OFF, "CloudPress asks to wait"),
        (503, KNOWN, 5.0, PostOutcome.UNKNOWN, "a proxy says it of what its backend broke off"),
        (503, OWN, None, PostOutcome.UNKNOWN, "'passing' is said of reads; after a POST it says nothing"),
        (503, ANYONE, 5.0, PostOutcome.UNKNOWN, "nobody knows who speaks"),
        (500, OWN, 5.0, PostOutcome.UNKNOWN, "it may have failed after the order was made"),
        (502, KNOWN, 5.0, PostOutcome.UNKNOWN, "'passing' is said of reads; after a POST it says nothing"),
        (599, OWN, None, PostOutcome.UNKNOWN, "any 5xx"),
    ],
)  # fmt: skip
def test_what_a_refusal_of_a_placement_means(
    status: int, who: tuple[bool, bool], retry_after: float | None, outcome: PostOutcome, reason: str
) -> None:
    is_own_form, is_known_host = who
    found = outcome_of_refusal(
        status, is_own_form=is_own_form, is_known_host=is_known_host, retry_after_seconds=retry_after
    )
    assert found is outcome, reason


def posted(outcome: PostOutcome, *, first: bool = True, **fields: object) -> PostEnded:
    return PostEnded(outcome, first, **fields)  # type: ignore[arg-type]


def seen(order_status: str | None = "processing", tasks: tuple[str, ...] = (), **fields: object) -> Seen:
    return Seen(order_status, tasks, **fields)  # type: ignore[arg-type]


PAY = "https://pay.example/1"
ROWS: list[tuple[OrderStatus, Observation, OrderStatus, Wait, str]] = [
    (S.PLACING, posted(PostOutcome.PLACED), S.PROVISIONING, Wait.TASK, "placed without a payment: the task runs"),
    (S.PLACING, posted(PostOutcome.PLACED, payment_url=PAY), S.AWAITING_PAYMENT, Wait.PAYMENT, "a payment is asked for"),
    (S.PLACING, posted(PostOutcome.PLACED, task_status="ok"), S.PROVISIONING, Wait.TURN, "the task is over: look at once"),
    (S.PLACING, posted(PostOutcome.PLACED, order_status="Failed"), S.PROVISIONING, Wait.TURN, "the order is over: look at once"),
    (S.PLACING, posted(PostOutcome.NOT_SENT), S.PENDING, Wait.RETRY, "nothing left this machine"),
    (S.PLACING, posted(PostOutcome.HELD_OFF), S.PENDING, Wait.RETRY, "refused for now"),
    (S.PLACING, posted(PostOutcome.REJECTED), S.FAILED, Wait.NOTHING, "refused for what is in it, the first time"),
    (S.PLACING, posted(PostOutcome.REJECTED, first=False), S.UNCONFIRMED, Wait.LOOK_UP, "the first attempt may have landed"),
    (S.PLACING, posted(PostOutcome.UNKNOWN), S.UNCONFIRMED, Wait.LOOK_UP, "nobody knows"),
    (S.PLACING, CutOff(), S.UNCONFIRMED, Wait.LOOK_UP, "whoever sent it is gone"),
    (S.PENDING, PlacingOff(), S.PENDING, Wait.TASK, "it waits until placing is on again"),
    (S.UNCONFIRMED, NotFoundYet(grace_over=False), S.UNCONFIRMED, Wait.LOOK_UP, "not found is not absent"),
    (S.UNCONFIRMED, posted(PostOutcome.NOT_SENT), S.PENDING, Wait.RETRY, "the answer was recorded late"),
    (S.UNCONFIRMED, seen(tasks=("RUNNING",)), S.PROVISIONING, Wait.TASK, "found: the task runs"),
    (S.UNCONFIRMED, seen("completed", ("OK",), site_read=True), S.COMPLETED, Wait.NOTHING, "found, and finished"),
    (S.PROVISIONING, seen(tasks=("OK",), site_read=True), S.COMPLETED, Wait.NOTHING, "the task is OK and the site read"),
    (S.PROVISIONING, seen(tasks=("ok",), site_read=True), S.COMPLETED, Wait.NOTHING, "in any letter case"),
    (S.PROVISIONING, seen(tasks=("OK",)), S.PROVISIONING, Wait.SETTLING, "the site is not shown yet"),
    (S.PROVISIONING, seen(tasks=("OK", "RUNNING"), site_read=True), S.PROVISIONING, Wait.TASK, "all tasks must be OK"),
    (S.PROVISIONING, seen(tasks=("OK", "FAILED")), S.FAILED, Wait.NOTHING, "one failed task fails the order"),
    (S.PROVISIONING, seen(tasks=("CANCELLED",)), S.CANCELLED, Wait.NOTHING, "a cancelled task cancels the order"),
    (S.PROVISIONING, seen("cancelled", ("RUNNING",)), S.CANCELLED, Wait.NOTHING, "no task is final: the order decides"),
    (S.PROVISIONING, seen("FAILED", ()), S.FAILED, Wait.NOTHING, "no task at all: the order decides"),
    (S.PROVISIONING, seen("failed", ("OK",), site_read=True), S.COMPLETED, Wait.NOTHING, "a final task outranks the order"),
    (S.PROVISIONING, seen("completed", ()), S.PROVISIONING, Wait.SETTLING, "its completed counts once the site is read"),
    (S.PROVISIONING, seen("completed", (), site_read=True), S.COMPLETED, Wait.NOTHING, "completed, and the site is read"),
    (S.PROVISIONING, seen("frozen", ("THAWING",)), S.PROVISIONING, Wait.TASK, "unknown is not final"),
    (S.PROVISIONING, seen("open", ("PAUSED",)), S.PROVISIONING, Wait.TASK, "paused is not final"),
    (S.PROVISIONING, seen("open", ("RUNNING",), payment_url=PAY), S.AWAITING_PAYMENT, Wait.PAYMENT, "whatever the task says"),
    (S.AWAITING_PAYMENT, seen("open", ("PENDING",), payment_url=PAY), S.AWAITING_PAYMENT, Wait.PAYMENT, "still unpaid"),
    (S.AWAITING_PAYMENT, seen("open", ("RUNNING",)), S.PROVISIONING, Wait.TASK, "paid"),
    (S.AWAITING_PAYMENT, seen(None, (), trouble=Trouble("timeout")), S.AWAITING_PAYMENT, Wait.RETRY, "nothing was learned"),
    (S.PROVISIONING, seen(None, ("OK",), trouble=Trouble("status_500")), S.PROVISIONING, Wait.RETRY, "another task may run"),
    (S.PROVISIONING, seen(None, ("FAILED",), trouble=Trouble("x")), S.FAILED, Wait.NOTHING, "a failed task is enough"),
    (S.PROVISIONING, seen(None, (), missing=True), S.PROVISIONING, Wait.SETTLING, "404 is not final"),
    (S.PROVISIONING, seen(None, ("OK",), missing=True, site_read=True), S.COMPLETED, Wait.NOTHING, "the task and the site do without the order"),
]  # fmt: skip


def test_no_payment_is_asked_for_what_may_be_anothers() -> None:
    decision = decide(
        Standing(S.PROVISIONING), Seen("processing", (), payment_url="https://pay.test", foreign=True), NOW
    )
    assert (decision.payment_url, decision.keeps_payment_url) == (None, False)


@pytest.mark.parametrize(("status", "observation", "after", "wait", "reason"), ROWS)
def test_what_an_observation_means(
    status: OrderStatus, observation: Observation, after: OrderStatus, wait: Wait, reason: str
) -> None:
    decision = decide(Standing(status), observation, NOW)
    assert (decision.status, decision.wait) == (after, wait), reason


@pytest.mark.parametrize(
    ("standing", "observation", "code", "reason"),
    [
        (
            Standing(S.PLACING),
            posted(PostOutcome.HELD_OFF, trouble=Trouble("status_401", 401)),
            "credentials_refused",
            "the operator has to mend the token",
        ),
        (
            Standing(S.PLACING),
            posted(PostOutcome.HELD_OFF, trouble=Trouble("status_302", 302)),
            "redirected",
            "the operator has to mend the address",
        ),
        (
            Standing(S.PLACING),
            posted(PostOutcome.HELD_OFF, trouble=Trouble("status_429", 429)),
            None,
            "nobody has to do anything",
        ),
        (
            Standing(S.PENDING, attention=Attention(AttentionCode.CREDENTIALS_REFUSED, "…")),
            posted(PostOutcome.NOT_SENT, trouble=Trouble("connect")),
            "credentials_refused",
            "nothing was learned, so the cause has not gone",
        ),
        (
            Standing(S.PROVISIONING, attention=Attention(AttentionCode.CREDENTIALS_REFUSED, "…")),
            seen(tasks=("RUNNING",)),
            None,
            "CloudPress answers again",
        ),
        (
            Standing(S.PROVISIONING, missing_for=timedelta(hours=23)),
            seen(None, missing=True),
            None,
            "it may come back within a day",
        ),
        (
            Standing(S.PROVISIONING, missing_for=timedelta(hours=24)),
            seen(None, missing=True),
            "not_found",
            "it has been gone for a day",
        ),
        (
            Standing(S.PROVISIONING, gone_for=timedelta(hours=24)),
            seen(None, missing=True),
            None,
            "that is about what is to be cancelled",
        ),
        (
            Standing(S.PROVISIONING, silent_for=timedelta(hours=23)),
            seen(None, trouble=Trouble("status_500", 500)),
            None,
            "an outage that may end",
        ),
        (
            Standing(S.PROVISIONING, silent_for=timedelta(hours=24)),
            seen(None, trouble=Trouble("status_500", 500)),
            "unanswered",
            "nothing was learned for a day",
        ),
        (
            Standing(S.PROVISIONING, silent_for=timedelta(hours=24)),
            seen(tasks=("RUNNING",)),
            None,
            "something is learned now",
        ),
        (
            Standing(S.UNCONFIRMED),
            NotFoundYet(grace_over=False),
            None,
            "the grace is not over",
        ),
        (
            Standing(S.UNCONFIRMED),
            NotFoundYet(grace_over=True, look_ups=2, began_late=True, doubts=(Doubt.NO_EARLIER_ORDER,)),
            "placement_unconfirmed",
            "the grace is over",
        ),
        (
            Standing(S.UNCONFIRMED),
            NotFoundYet(grace_over=True),
            None,
            "the looks that are missing come by themselves",
        ),
        (
            Standing(S.UNCONFIRMED),
            NotFoundYet(grace_over=True, trouble=Trouble("timeout")),
            "placement_unconfirmed",
            "the looks that are missing fail",
        ),
    ],
)
def test_when_an_order_asks_for_attention(
    standing: Standing, observation: Observation, code: str | None, reason: str
) -> None:
    attention = decide(standing, observation, NOW).attention
    assert (attention.code if attention else None) == code, reason


def test_a_payment_url_that_could_not_be_read_is_kept() -> None:
    decision = decide(Standing(S.AWAITING_PAYMENT), seen(None, (), trouble=Trouble("timeout")), NOW)
    assert decision.keeps_payment_url


def test_what_cloudpress_has_ended_is_not_failed_by_a_word_that_waited() -> None:
    """Its task failed, and a request beside that told nothing."""
    order = Standing(S.PROVISIONING, attention=Attention(AttentionCode.UNANSWERED, "…"))
    seen = Seen(
        "processing", ("FAILED",), trouble=Trouble("timeout"), given_up=GivenUp("Rosa", was_sent=True)
    )
    decision = decide(order, seen, NOW)
    assert decision.problem is not None
    assert (decision.status, decision.problem.code, decision.ends_word) == (S.FAILED, "task_failed", True)
