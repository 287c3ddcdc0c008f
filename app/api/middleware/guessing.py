"""Who presents wrong keys again and again is answered ever more slowly. A right key never waits.

So nobody can lock anyone else out, also not from an address that many share. Nor by their number: who is held
back goes first where there are too many connections.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

BURST = 20
"""So many wrong keys of one address are answered at once."""
PER_SECOND = 1.0
LONGEST_WAIT_SECONDS = 5.0
MOST_ADDRESSES = 10_000


class Guesses:
    """Counts wrong keys by the address that they come from: a bucket for each, which fills again evenly."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no address; `clock` tells seconds."""
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Count one more wrong key, and return for how long its answer is to be held back."""
        now = self._clock()
        left, at = self._buckets.pop(address, (float(BURST), now))
        left = min(BURST, left + (now - at) * PER_SECOND) - 1
        self._buckets[address] = max(left, -LONGEST_WAIT_SECONDS), now
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return min(LONGEST_WAIT_SECONDS, max(0.0, -left / PER_SECOND))
