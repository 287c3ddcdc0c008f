"""What becomes of a delivery after an attempt: a decision without input or output."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

# The example schedule of the Standard Webhooks specification: ten attempts within 75 hours.
DELAYS_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
# Whoever asks for more patience than this gets the next attempt anyway.
LONGEST_RETRY_AFTER_SECONDS = 86_400
FAILING_FOR = timedelta(days=5)
GONE = 410
HEEDED = frozenset({429, 503})


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended. `status` is None if there was no answer, and `error` tells why."""

    status: int | None
    excerpt: str | None = None
    error: str | None = None
    retry_after_seconds: float | None = None
    seconds: float = 0.0
    """How long it took."""

    @property
    def is_success(self) -> bool:
        """Tell whether the application has taken the message."""
        return self.status is not None and 200 <= self.status <= 299


@dataclass(frozen=True)
class Outcome:
    """The delivery's new status, when to try again, and why the webhook is to be disabled, if it is."""

    status: str
    delay_seconds: float | None = None
    disabled_reason: str | None = None


def decide(attempt: Attempt, *, failures: int, failing_for: timedelta, random: Random) -> Outcome:
    """Return what follows from an attempt.

    `failures` counts the attempts that failed before this one; `failing_for` is for how long the webhook
    has taken nothing.
    """
    if attempt.is_success:
        return Outcome("delivered")
    if attempt.status == GONE:
        return Outcome("failed", disabled_reason="The application answered 410 Gone.")
    if failures >= len(DELAYS_SECONDS):
        # Only here: a webhook that hears little may have failed last a month ago, and one more failure tells
        # nothing. A whole schedule of them, days of attempts up to now with no success in between, does.
        dead = failing_for >= FAILING_FOR
        reason = f"Nothing was delivered for {failing_for.days} days." if dead else None
        return Outcome("failed", disabled_reason=reason)
    delay = DELAYS_SECONDS[failures] * random.uniform(1 - JITTER, 1 + JITTER)
    if attempt.status in HEEDED and attempt.retry_after_seconds is not None:
        asked = min(attempt.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS)
        delay = max(delay, asked * random.uniform(1, 1 + JITTER))
    return Outcome("pending", delay)
