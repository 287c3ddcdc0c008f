"""CloudPress's clock, as its answers tell it, tied to the uptime of this machine."""

from datetime import datetime, timedelta

BEHIND = timedelta(minutes=1)
"""By how much an answer may lag: two machines of CloudPress's tell not quite the same."""
PUT_BACK_AFTER_SECONDS = 3600.0
"""For how long all answers have to lag until it is believed that the clock was put back."""


class ProviderClock:
    """What is known of CloudPress's clock: the last `Date` of its answers, and when it came in.

    What stands in between may answer as it was answered once, with the time of then: that says nothing.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._read: tuple[datetime, float] | None = None
        self._behind_since: float | None = None

    def note(self, date: datetime | None, uptime: float) -> None:
        """Note what an answer told, if it told anything, and when it came in."""
        if date is None:
            return
        known = self.at(uptime)
        if known is None or known - date <= BEHIND:
            self._behind_since = None
        else:
            self._behind_since = uptime if self._behind_since is None else self._behind_since
            if uptime - self._behind_since < PUT_BACK_AFTER_SECONDS:
                return
        self._read = (date, uptime)

    def at(self, uptime: float) -> datetime | None:
        """Return what CloudPress's clock shows then, or a moment before; None while it has told nothing.

        An answer's `Date` is from before it came in, so what is counted on from there is never too late.
        """
        if self._read is None:
            return None
        date, read_at = self._read
        return date + timedelta(seconds=uptime - read_at)
