"""How much may be asked in how much time."""

import re
from dataclasses import dataclass

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
RATE = re.compile(r"(\d{1,9})\s*/\s*(second|minute|hour|day)")


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int


def parse_rate(text: str) -> Rate:
    """Read a rate such as `100/minute`.

    Raises:
        ValueError: it is none.
    """
    found = RATE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise ValueError("must be such as 100/minute (second, minute, hour or day)")
    return Rate(int(found[1]), SECONDS[found[2]])
