"""What becomes of a delivery after an attempt, and how a message is signed."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier

from app.webhooks.outcomes import (
    DELAYS_SECONDS,
    FAILING_FOR,
    JITTER,
    LONGEST_RETRY_AFTER_SECONDS,
    Attempt,
    Outcome,
    decide,
)
from app.webhooks.signing import is_secret, new_secret, sign

DAY_SECONDS = 86_400
NOW = timedelta()


def test_the_schedule_spans_three_days_in_ten_attempts() -> None:
    assert len(DELAYS_SECONDS) + 1 == 10
    assert sum(DELAYS_SECONDS) * (1 + JITTER) >= 3 * DAY_SECONDS
    assert sum(DELAYS_SECONDS) * (1 - JITTER) <= 3.5 * DAY_SECONDS
    assert list(DELAYS_SECONDS) == sorted(DELAYS_SECONDS)


@given(
    status=st.one_of(st.none(), st.integers(100, 599)),
    failures=st.integers(0, 20),
    days=st.floats(0, 10),
    retry_after=st.one_of(st.none(), st.floats(0, 1e9)),
    seed=st.integers(),
)
def test_every_attempt_leads_on_or_ends(
    status: int | None, failures: int, days: float, retry_after: float | None, seed: int
) -> None:
    attempt = Attempt(status, retry_after_seconds=retry_after)
    outcome = decide(attempt, failures=failures, failing_for=timedelta(days=days), random=Random(seed))
    taken = status is not None and 200 <= status < 300
    assert (outcome.status == "delivered") == taken
    assert (outcome.delay_seconds is not None) == (outcome.status == "pending")
    assert (outcome.disabled_reason is not None) == (
        not taken
        and (status == 410 or (timedelta(days=days) >= FAILING_FOR and failures >= len(DELAYS_SECONDS)))
    )
    if outcome.delay_seconds is not None:
        planned = DELAYS_SECONDS[failures]
        assert outcome.delay_seconds >= planned * (1 - JITTER)
        longest: float = planned
        if status in {429, 503} and retry_after is not None:
            longest = max(planned, min(retry_after, LONGEST_RETRY_AFTER_SECONDS))
            assert outcome.delay_seconds >= min(retry_after, LONGEST_RETRY_AFTER_SECONDS)
        assert outcome.delay_seconds <= longest * (1 + JITTER)


def test_the_last_attempt_fails_the_delivery_and_leaves_the_webhook() -> None:
    last = decide(Attempt(500), failures=len(DELAYS_SECONDS), failing_for=timedelta(days=3), random=Random(1))
    assert last == Outcome("failed")


def test_attempts_of_many_deliveries_spread() -> None:
    random = Random(1)
    delays = {
        decide(Attempt(500), failures=1, failing_for=NOW, random=random).delay_seconds for _ in range(50)
    }
    assert len(delays) == 50


@given(st.binary(max_size=300), st.text("abcdef_0123456789", min_size=1))
def test_the_published_library_verifies_what_is_signed(body: bytes, message_id: str) -> None:
    secrets = [new_secret(), new_secret()]
    text = '{"a": "' + body.hex() + '"}'
    headers = sign(message_id, int(datetime.now(UTC).timestamp()), text.encode(), secrets)
    for secret in secrets:
        assert is_secret(secret)
        assert Verifier(secret).verify(text, headers) == {"a": body.hex()}


@pytest.mark.parametrize("text", ["", "whsec_", "secret", "whsec_not base64", "whsec_é", "WHSEC_AAAA"])
def test_what_is_no_secret(text: str) -> None:
    assert not is_secret(text)
