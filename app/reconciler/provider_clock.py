"""CloudPress's clock, as its answers tell it, tied to the uptime of this machine."""

from datetime import datetime, timedelta


class ProviderClock:
    """What is known of CloudPress's clock: the last `Date` of its answers, and when it came in."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._read: tuple[datetime, float] | None = None

    def note(self, date: datetime | None, uptime: float) -> None:
        """Note what an answer told, if it told anything, and when it came in."""
        if date is not None:
            self._read = (date, uptime)

    def at(self, uptime: float) -> datetime | None:
        """Return what CloudPress's clock shows then, or a moment before; None while it has told nothing.

        An answer's `Date` is from before it came in, so what is counted on from there is never too late.
        """
        if self._read is None:
            return None
        date, read_at = self._read
        return date + timedelta(seconds=uptime - read_at)
