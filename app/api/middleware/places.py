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
SHARE = 2
"""What streams and waiting requests of one key, which last, take of all places: no more than a half."""


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


def most_of_one_key(places: int | None) -> float:
    """Return how many streams and waiting requests one key may have open, of so many places."""
    return math.inf if places is None else max(1, places // SHARE)


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
