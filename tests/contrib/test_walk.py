"""The walk through the alerts hurries every time of the rules; the walk itself is `make walk-alerts`."""

import re

from tests.contrib.test_monitoring import RULES
from tests.contrib.walk import hurried

TIMES = re.compile(r"(?:for: |\[)(\d+[a-z])")


def test_every_time_of_the_rules_is_hurried() -> None:
    before = TIMES.findall(RULES.read_text())
    after = TIMES.findall(hurried(RULES.read_text()))
    assert len(before) > 8
    assert {time[-1] for time in before} == {"m", "h"}
    in_seconds = {"m": 1, "h": 60}
    assert after == [f"{int(time[:-1]) * in_seconds[time[-1]]}s" for time in before]
