"""CloudPress's clock, as its answers tell it, tied to the uptime of this machine."""

from collections import OrderedDict, deque
from datetime import UTC, datetime, timedelta

ANSWERS = 9
"""How many of the last are heeded: what most of them tell counts."""
AGREEING = 5
"""How many have to agree before an answer is not heeded that tells of a later time."""
REMEMBERED = 512
APART = timedelta(minutes=1)
"""By how much answers may differ: two machines of CloudPress's tell not quite the same."""


class ProviderClock:
    """What is known of CloudPress's clock: what most of its last answers told by their `Date`.

    One that is told with the time of then, by a cache, says nothing, nor does a machine that is ahead.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._offsets: deque[float] = deque(maxlen=ANSWERS)
        """What is added to an uptime, in seconds since 1970."""
        self._told: OrderedDict[datetime, None] = OrderedDict()

    def note(self, date: datetime | None, uptime: float) -> None:
        """Note what an answer told, if it told anything, and when it came in."""
        if date is None or date in self._told:
            return  # a cache may give the same answer, or several of that moment, for long
        self._told[date] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._offsets.append(date.timestamp() - uptime)

    def at(self, uptime: float) -> datetime | None:
        """Return what CloudPress's clock shows then, or a moment before; None while it has told nothing.

        An answer's `Date` is from before it came in, so what is counted on from there is never too late.
        """
        if not self._offsets:
            return None
        # Of two the later: nothing old gets young by it.
        told = sorted(self._offsets)[len(self._offsets) // 2] + uptime
        return datetime.fromtimestamp(told, UTC)

    def heeded(self, date: datetime, uptime: float) -> datetime:
        """Return the time as of an answer that has just come in: its own, or else what the others tell.

        Where too few of them agree it is the later of both, so that nothing old gets young.
        """
        known = self.at(uptime)
        if known is None or abs(known - date) <= APART:
            return date
        told = known.timestamp() - uptime
        agreeing = sum(abs(offset - told) <= APART.total_seconds() for offset in self._offsets)
        return known if agreeing >= AGREEING else max(known, date)
