"""The place that a request takes among the connections of the server that it came by.

ASGI knows no such thing; under another server than ours a request takes nobody's place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.types import Scope

PLACE = "presshook.place"


class Place(Protocol):
    """What our server tells of a connection with each request, as an extension of ASGI."""

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
