"""Why an order is not done: each cause is told by its own code, the gravest first, and with a true time."""

from datetime import UTC, datetime, timedelta

import pytest

from app.states import (
    FINAL,
    AttentionCode,
    OrderStatus,
    Surroundings,
    Trouble,
    WaitingCode,
    Waits,
    waiting_for,
)

NOW = datetime(2026, 11, 26, 9, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
ALIVE = Surroundings(NOW, worker_seen_at=NOW - timedelta(seconds=20))
PENDING, PLACING, UNCONFIRMED = OrderStatus.PENDING, OrderStatus.PLACING, OrderStatus.UNCONFIRMED
AWAITING, PROVISIONING = OrderStatus.AWAITING_PAYMENT, OrderStatus.PROVISIONING

ROWS = [
    (Waits(PENDING, NOW), "turn", "a worker sends it to CloudPress next"),
    (Waits(PENDING, LATER), "turn", "sent to CloudPress at 09:14:00 UTC"),
    (Waits(PENDING, NOW, held_until=LATER), "pass", "right now"),
    (Waits(PLACING, NOW, held_until=LATER), "sending", "being sent to CloudPress right now"),
    (Waits(PLACING, NOW, held_until=NOW), "turn", "cut off"),
    (Waits(PENDING, LATER, trouble=Trouble("refused", 429)), "rate_limited", "429 (too many"),
    (Waits(PENDING, LATER, trouble=Trouble("refused", 429)), "rate_limited", "sent again at 09:14:00 UTC"),
    (Waits(PROVISIONING, LATER, trouble=Trouble("refused", 502)), "cloudpress_away", "502; asked again at"),
    (
        Waits(PROVISIONING, LATER, trouble=Trouble("timeout")),
        "cloudpress_away",
        "did not answer; asked again",
    ),
    (Waits(PENDING, LATER, trouble=Trouble("held_back")), "cloudpress_away", "did not answer; sent again"),
    (Waits(PENDING, LATER, trouble=Trouble("refused", 409)), "retry", "CloudPress answered 409; sent again"),
    (
        Waits(PENDING, LATER, attention=AttentionCode.CREDENTIALS_REFUSED, trouble=Trouble("refused", 401)),
        "repair",
        "attention",
    ),
    (Waits(PROVISIONING, LATER, attention=AttentionCode.PASS_BROKEN), "repair", "asked again at 09:14:00"),
    (Waits(UNCONFIRMED, LATER), "look_up", "searched again at 09:14:00 UTC"),
    (Waits(UNCONFIRMED, LATER, attention=AttentionCode.PLACEMENT_SUSPECTED), "decision", "resolve"),
    (
        Waits(UNCONFIRMED, LATER, attention=AttentionCode.PLACEMENT_SUSPECTED, resolving=True),
        "resolution",
        "decided",
    ),
    (Waits(AWAITING, LATER), "payment", "The end user has to pay at payment_url"),
    (Waits(AWAITING, LATER, cancelling=True), "cancellation", "asked to cancel"),
    (
        Waits(PROVISIONING, LATER, tasks=("RUNNING",)),
        "task",
        "task runs; CloudPress is asked when it calls back, or at 09:14:00 UTC without that.",
    ),
    (Waits(PROVISIONING, LATER, tasks=("OK", "PAUSED")), "task", "task is paused"),
    (Waits(PROVISIONING, LATER, tasks=("PENDING",)), "task", "has not begun"),
    (Waits(PROVISIONING, LATER, tasks=("whatever {at} is",)), "task", "CloudPress works on the order"),
    (Waits(PROVISIONING, LATER, tasks=("OK",)), "site_details", "has finished"),
    (Waits(PROVISIONING, LATER, cloudpress_status="completed"), "site_details", "has finished"),
    (Waits(PROVISIONING, LATER, missing=True), "reappearance", "404"),
    (Waits(PROVISIONING, LATER, attention=AttentionCode.NOT_FOUND, missing=True), "reappearance", "404"),
    (Waits(PROVISIONING, LATER, attention=AttentionCode.SUSPECTED_DUPLICATE), "task", "calls back"),
    (Waits(AWAITING, LATER, may_be_anothers=True), "decision", "say whose that is"),
    (Waits(PROVISIONING, LATER, cancelling=True, may_be_anothers=True), "decision", "say whose"),
    (Waits(AWAITING, NOW + timedelta(days=3)), "payment", "on 2026-11-29 at 09:12:00 UTC"),
]


@pytest.mark.parametrize(("order", "code", "words"), ROWS)
def test_each_cause_has_its_code_and_a_sentence(order: Waits, code: str, words: str) -> None:
    waiting = waiting_for(order, ALIVE)
    assert waiting is not None
    assert (waiting.code, words in waiting.detail) == (code, True), waiting
    assert waiting.until == (order.due_at if order.due_at and order.due_at > NOW else None)
    assert "{" not in waiting.detail


def test_no_code_is_without_a_cause() -> None:
    others = {"nobody_works", "placing_off"}
    assert {code for _, code, _ in ROWS} | others == {str(code) for code in WaitingCode}


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_final_order_waits_for_nothing(status: OrderStatus) -> None:
    assert waiting_for(Waits(status, LATER), ALIVE) is None
    assert waiting_for(Waits(status, None), Surroundings(NOW)) is None


def test_without_a_worker_nothing_else_is_said() -> None:
    gone = Surroundings(NOW, worker_seen_at=NOW - timedelta(minutes=6))
    for order, _, _ in ROWS:
        waiting = waiting_for(order, gone)
        assert waiting is not None
        assert waiting.code is WaitingCode.NOBODY_WORKS
        assert "no worker has been seen for 6 minutes" in waiting.detail
    never = waiting_for(Waits(PENDING, NOW), Surroundings(NOW))
    assert never is not None
    assert "no worker has been seen." in never.detail


def test_an_order_that_may_not_be_sent_says_so_and_others_go_on() -> None:
    off = Surroundings(NOW, placing=False, worker_seen_at=NOW)
    codes = [waiting_for(Waits(status, NOW), off) for status in (PENDING, UNCONFIRMED, PROVISIONING)]
    assert [waiting and waiting.code for waiting in codes] == ["placing_off", "turn", "turn"]
