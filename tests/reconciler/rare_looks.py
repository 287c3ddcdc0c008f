"""A schedule by which what is as it was is looked at ever more rarely: a virtual day costs few passes.

Most passes would repeat, every few minutes of hours and days, what found the same before. How long the spans
between looks are is the matter of `tests/test_schedule.py`; a test of what such looks add up to takes
`EVERY_LOOK`, and has the service's own.
"""

import pytest

from app.schedule import TASK_CEILING_SECONDS, Schedule
from app.states import Wait

EVERY_LOOK = pytest.mark.usefixtures("_every_look")

FEW_LOOK_UPS = 3
"""So many follow as soon as the service's: what lets a grace end is several of them, and not how many."""
LONGER = 6
LONGER_BETWEEN_LOOK_UPS = 3
AT_MOST_SECONDS = 3600.0
"""No span is made longer than this, so that tests can say for how long something is surely looked at."""


class RareLooks(Schedule):
    """The service's own spans at first, growing twice as fast, to longer ones."""

    def delay_seconds(
        self, wait: Wait, *, quiet: int, failures: int, is_asked: bool = True, is_final: bool = False
    ) -> float | None:
        """Return how long to wait, None for ever."""
        delay = super().delay_seconds(
            wait, quiet=quiet * 2, failures=max(failures * 2 - 1, 0), is_asked=is_asked, is_final=is_final
        )
        if not delay:
            return delay
        longer = 1
        if wait in (Wait.TASK, Wait.RETRY, Wait.SETTLING) and delay >= TASK_CEILING_SECONDS:
            longer = LONGER
        elif wait is Wait.LOOK_UP and quiet > FEW_LOOK_UPS:
            longer = LONGER_BETWEEN_LOOK_UPS
        return max(delay, min(delay * longer, AT_MOST_SECONDS))
