"""How long an order waits until it is looked at again."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schedule import Schedule
from app.states import Wait


class NoJitter(Random):
    """Adds nothing."""

    def random(self) -> float:
        """Return the least that jitter can be."""
        return 0.0


@pytest.mark.parametrize(
    ("wait", "quiet", "failures", "seconds", "reason"),
    [
        (Wait.NOTHING, 0, 0, None, "a final order is never due"),
        (Wait.TURN, 0, 0, 0, "it goes on at once"),
        (Wait.TASK, 0, 0, 120, "the callback has CALLBACK_WAIT_SECONDS to come"),
        (Wait.TASK, 1, 0, 180, "then it is asked ever more seldom"),
        (Wait.TASK, 90, 0, 300, "minutes while a task runs"),
        (Wait.PAYMENT, 0, 0, 120, "someone may pay at once"),
        (Wait.PAYMENT, 90, 0, 3600, "up to an hour while a payment is awaited"),
        (Wait.SETTLING, 0, 0, 1, "what is decided is soon shown"),
        (Wait.SETTLING, 3, 0, 8, "doubling"),
        (Wait.SETTLING, 10_000, 0, 300, "with a ceiling"),
        (Wait.NAMED, 0, 0, 1, "what a callback names is soon shown"),
        (Wait.NAMED, 10_000, 0, 3600, "or perhaps never, which costs little"),
        (Wait.RETRY, 0, 1, 1, "the first failure"),
        (Wait.RETRY, 0, 2, 2, "doubling"),
        (Wait.RETRY, 0, 10_000, 300, "five minutes at most"),
        (Wait.LOOK_UP, 0, 0, 60, "a tenth of the grace, a minute at most"),
    ],
)
def test_how_long_an_order_waits(
    wait: Wait, quiet: int, failures: int, seconds: float | None, reason: str
) -> None:
    schedule = Schedule(120, 900, NoJitter())
    assert schedule.delay_seconds(wait, quiet=quiet, failures=failures) == seconds, reason


@pytest.mark.parametrize(("grace_seconds", "seconds"), [(300, 30), (900, 90), (7200, 720), (10**6, 3600)])
def test_it_is_looked_for_ever_more_seldom_only_once_a_person_is_asked(
    grace_seconds: float, seconds: float
) -> None:
    schedule = Schedule(120, grace_seconds, NoJitter())
    assert schedule.delay_seconds(Wait.LOOK_UP, quiet=90, failures=0) == 3600
    assert schedule.delay_seconds(Wait.LOOK_UP, quiet=90, failures=0, is_asked=False) == seconds


@given(st.sampled_from(Wait), st.integers(0, 10**6), st.integers(1, 10**6), st.integers())
def test_jitter_only_adds(wait: Wait, quiet: int, failures: int, seed: int) -> None:
    least = Schedule(120, 900, NoJitter()).delay_seconds(wait, quiet=quiet, failures=failures)
    delay = Schedule(120, 900, Random(seed)).delay_seconds(wait, quiet=quiet, failures=failures)
    if least is None or delay is None:
        assert least is delay is None
    else:
        assert least <= delay <= least * 1.5
