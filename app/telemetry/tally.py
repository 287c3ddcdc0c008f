"""Tells of what may come in floods: at most one line a second for each reason, with how often it came."""

import asyncio
from collections import Counter

import structlog

SECONDS = 1.0

log = structlog.get_logger()


class Tally:
    """Counts something by its reason. The first is told at once, those of the following second together."""

    def __init__(self, event: str) -> None:
        """Tell of it as `event`."""
        self._event = event
        self._untold: Counter[str] = Counter()
        # The reasons that were told within the last second.
        self._told: set[str] = set()

    def count(self, reason: str) -> None:
        """Count one more. There are few reasons, and each is one of ours."""
        self._untold[reason] += 1
        if reason not in self._told:
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        count = self._untold.pop(reason, 0)
        if not count:
            self._told.discard(reason)
            return
        self._told.add(reason)
        asyncio.get_running_loop().call_later(SECONDS, self._tell, reason)
        log.warning(self._event, reason=reason, count=count)
