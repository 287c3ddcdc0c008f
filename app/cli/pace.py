"""How often a command that goes on asks again."""

import time
from dataclasses import dataclass


@dataclass
class Pace:
    """Holds back a loop of requests: a few at once, and from then on one in each second.

    What is answered at once may be answered so for ever: by a proxy that alters tags, by a service that ends,
    by what is no Presshook.
    """

    at_once: float = 5.0
    _left: float = 5.0
    _at: float = 0.0

    def keep(self) -> None:
        """Wait until the next request may be made."""
        now = time.monotonic()
        self._left = min(self.at_once, self._left + now - self._at)
        if self._left < 1:
            time.sleep(1 - self._left)
            now, self._left = time.monotonic(), 1.0
        self._at = now
        self._left -= 1
