"""The place that a request takes among the connections of the server that it came by.

ASGI knows no such thing; under another server than ours a request takes nobody's place.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.types import Scope

PLACE = "presshook.place"
MOST_STREAMS = 100
"""So many streams one key may have open at a replica: enough for an application with many replicas."""
STREAMS_SHARE = 4
"""What one key's streams, which may last for ever, take of all places: no more than a fourth."""
WAITS_SHARE = 2
"""What one key's waiting requests take of them, which end within 30 s: no more than a half."""


class Place(Protocol):
    """What our server tells of a connection with each request, as an extension of ASGI."""

    @property
    def places(self) -> int:
        """How many connections the server admits."""

    def offer(self) -> None:
        """Let the connection be closed for another one where there are too many."""

    def keep(self) -> None:
        """Let it be closed for another one no more."""


@contextmanager
def offered(scope: Scope) -> Iterator[None]:
    """While the block runs let a request's connection be closed for another one where there are too many."""
    place: Place | None = scope.get("extensions", {}).get(PLACE)
    if place is None:
        yield
        return
    place.offer()
    try:
        yield
    finally:
        place.keep()


def places_of(scope: Scope) -> int | None:
    """Return how many connections the server admits that a request came by; None if it is none of ours."""
    place: Place | None = scope.get("extensions", {}).get(PLACE)
    return None if place is None else place.places


def most_streams(places: int | None) -> int:
    """Return how many streams one key may have open where there are so many places."""
    return MOST_STREAMS if places is None else max(1, min(MOST_STREAMS, places // STREAMS_SHARE))


def most_waits(places: int | None) -> float:
    """Return how many requests of one key may wait at a time where there are so many places."""
    return math.inf if places is None else max(1, places // WAITS_SHARE)


class Shares:
    """Counts what each key has open by its identity, so that none takes the places of all others."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._open: Counter[str] = Counter()

    @contextmanager
    def taken(self, identity: str, most: float) -> Iterator[bool]:
        """Count one more while the block runs, and tell whether there were fewer than `most` before."""
        is_granted = self._open[identity] < most
        self._open[identity] += is_granted
        try:
            yield is_granted
        finally:
            self._open[identity] -= is_granted
            if not self._open[identity]:
                del self._open[identity]
