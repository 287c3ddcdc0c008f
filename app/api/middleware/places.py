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
"""Of the places that others leave to what lasts, streams and waiting requests, one key takes a half."""
KEPT_SHARE = 8
"""One of so many places is kept from all that lasts: for callbacks, probes, and what is answered at once."""


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


def lasting_places(places: int | None) -> float:
    """Return how many of so many places streams and waiting requests may take, all together."""
    return math.inf if places is None else max(1, places - max(1, places // KEPT_SHARE))


class Shares:
    """Counts what each key has open by its identity, so that none takes the places of all others.

    However many keys one tenant makes, each takes half of what the ones before have left.
    """

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._open: Counter[str] = Counter()

    def most(self, identity: str, places: int | None) -> float:
        """Return how many a key may have open of so many places now, none where the others have taken all.

        The half is rounded up, to one more where it is whole: who has half of all, and ends one, may have
        another while somebody else has begun one.
        """
        left = lasting_places(places) - (self._open.total() - self._open[identity])
        return math.inf if left == math.inf else max(0, min(left, left // SHARE + 1))

    @contextmanager
    def taken(self, identity: str, places: int | None) -> Iterator[bool]:
        """Count one more while the block runs if the key may have it, and tell whether it may."""
        is_granted = self._open[identity] < self.most(identity, places)
        self._open[identity] += is_granted
        try:
            yield is_granted
        finally:
            self._open[identity] -= is_granted
            if not self._open[identity]:
                del self._open[identity]
