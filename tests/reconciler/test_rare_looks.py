"""That the tests' schedule looks as soon as the service's own at first, and never sooner."""

from random import Random

import pytest

from app.schedule import Schedule
from app.states import Wait
from tests.reconciler.rare_looks import RareLooks


def delays(schedule: type[Schedule], wait: Wait, *, is_asked: bool, is_final: bool) -> list[float]:
    """Return the spans between looks in a row that all find the same, or all fail."""
    pace = schedule(120, 900, Random(1))
    spans = (
        pace.delay_seconds(wait, quiet=looks, failures=looks + 1, is_asked=is_asked, is_final=is_final)
        for looks in range(40)
    )
    return [span or 0.0 for span in spans]


@pytest.mark.parametrize("is_final", [False, True])
@pytest.mark.parametrize("is_asked", [False, True])
@pytest.mark.parametrize("wait", Wait)
def test_the_first_look_is_as_soon_and_none_is_sooner(wait: Wait, *, is_asked: bool, is_final: bool) -> None:
    own = delays(Schedule, wait, is_asked=is_asked, is_final=is_final)
    rare = delays(RareLooks, wait, is_asked=is_asked, is_final=is_final)
    assert rare[0] == own[0]
    assert all(later >= sooner for later, sooner in zip(rare, own, strict=True))
