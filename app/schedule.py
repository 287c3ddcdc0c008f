"""When an order is looked at again, given what it waits for. Pure.

Jitter only ever adds, so that a floor stays a floor and orders that failed together come back apart.
"""

from dataclasses import dataclass, field
from random import Random

from app.states import Wait

FIRST_RETRY_SECONDS = 1.0
RETRY_CEILING_SECONDS = 300.0
FINAL_RETRY_CEILING_SECONDS = 3600.0
TASK_CEILING_SECONDS = 300.0
PAYMENT_CEILING_SECONDS = 3600.0
NAMED_CEILING_SECONDS = 3600.0
LOOK_UP_SECONDS = (1.0, 60.0)
FREQUENT_LOOK_UPS = 12
LOOK_UP_CEILING_SECONDS = 3600.0
CALLBACK_GROWTH = 1.5
JITTER = 0.1
RETRY_JITTER = 0.5
# Beyond this a power only overflows; every ceiling has been reached long before.
MAX_EXPONENT = 60


@dataclass(frozen=True)
class Schedule:
    """The spans between looks, in seconds."""

    callback_wait_seconds: float
    placement_grace_seconds: float
    random: Random = field(default_factory=Random, repr=False)

    @property
    def look_up_seconds(self) -> float:
        """How much time lies between two look-ups of an order that is looked for."""
        shortest, longest = LOOK_UP_SECONDS
        return min(max(self.placement_grace_seconds / 10, shortest), longest)

    def delay_seconds(
        self, wait: Wait, *, quiet: int, failures: int, is_asked: bool = True, is_final: bool = False
    ) -> float | None:
        """Return how long to wait, None for ever.

        `quiet` counts the looks in a row that found nothing new, `failures` those that failed, this
        one included. `is_asked` tells whether a person is asked about the order, `is_final` whether it has
        ended, so that what is left to ask may be refused for ever.
        """
        base = self._base_seconds(wait, quiet=quiet, failures=failures, is_asked=is_asked)
        if wait is Wait.RETRY and is_final:
            base = _doubling(failures - 1, FINAL_RETRY_CEILING_SECONDS)
        if not base:
            return base
        jitter = RETRY_JITTER if wait is Wait.RETRY else JITTER
        return base * (1 + jitter * self.random.random())

    def _base_seconds(self, wait: Wait, *, quiet: int, failures: int, is_asked: bool) -> float | None:
        match wait:
            case Wait.NOTHING:
                return None
            case Wait.TURN:
                return 0.0
            case Wait.TASK:
                return self._growing(quiet, TASK_CEILING_SECONDS)
            case Wait.PAYMENT:
                return self._growing(quiet, PAYMENT_CEILING_SECONDS)
            case Wait.SETTLING:
                return _doubling(quiet)
            case Wait.NAMED:
                # Were callbacks to hold numbers that are no tasks', each order would ask for a day.
                return _doubling(quiet, NAMED_CEILING_SECONDS)
            case Wait.LOOK_UP:
                # What was not found for long waits for a person, and every look reads the whole list.
                most = LOOK_UP_CEILING_SECONDS
                ceiling = most if is_asked else min(most, self.placement_grace_seconds / 10)
                return _grown(self.look_up_seconds, quiet - FREQUENT_LOOK_UPS, ceiling)
            case Wait.RETRY:
                return _doubling(failures - 1)

    def _growing(self, quiet: int, ceiling_seconds: float) -> float:
        return _grown(self.callback_wait_seconds, quiet, ceiling_seconds)


def _grown(seconds: float, times: int, ceiling_seconds: float) -> float:
    times = min(max(times, 0), MAX_EXPONENT)
    return min(seconds * CALLBACK_GROWTH**times, max(ceiling_seconds, seconds))


def _doubling(times: int, ceiling_seconds: float = RETRY_CEILING_SECONDS) -> float:
    seconds = FIRST_RETRY_SECONDS * 2.0 ** min(max(times, 0), MAX_EXPONENT)
    return min(seconds, ceiling_seconds)
