"""True time, and what our clocks make of it: a wall clock that steps, a monotonic one that sleeps."""

import asyncio
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)


class Times:
    """The time of one life. Nothing but the loop is believed."""

    def __init__(self) -> None:
        """Begin with a clock that is right."""
        self._ahead = timedelta(0)
        self._given: dict[datetime, datetime] = {}
        self.booted_before_seconds: dict[str, float] = {}
        """By machine, how long it had been up when the life began."""

    @staticmethod
    def true() -> datetime:
        """Return the true time."""
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    def wall(self) -> datetime:
        """Return what our wall clock shows, which is the database's clock too."""
        return self.true() + self._ahead

    def give(self) -> datetime:
        """Return the same, and remember when it was given."""
        moment = self.wall()
        self._given[moment] = self.true()
        return moment

    def true_of(self, stamp: datetime) -> datetime:
        """Return when a time that a database holds truly was."""
        return self._given.get(stamp, stamp - self._ahead)

    def true_of_uptime(self, boot: str, uptime: float) -> datetime:
        """Return when a machine had been up for so long."""
        return EPOCH + timedelta(seconds=uptime - self.booted_before_seconds[boot])

    def step(self, seconds: float) -> None:
        """Step the wall clock."""
        self._ahead += timedelta(seconds=seconds)
