"""How long something lasts that looks meet with again and again: it is counted from look to look.

Neither a clock that steps nor days without a worker are looks that met with it. What has passed between two
looks is told by the uptime of the machine that made both, and where two machines made them by the wall clock;
and only so much of it counts as a span says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from app.db.transactions import Transaction

Met = Mapping[str, float]
"""What is kept of it: what counts by each span, in seconds, and when the last look was, by both clocks."""
WALL = "wall"
"""Stands beside the name of the machine's start, which its uptime is kept under."""
_SINCE = "since"
"""Stands for when it began, where a release that does not count may end it or begin it anew."""


class Span(Enum):
    """How much counts at most from one look to the next, in seconds."""

    MINUTES = 300.0
    """Of what is to last for minutes: several looks have to meet with it."""
    HOURS = 6 * 3600.0
    """Of what is to last for a day, in which looks are rare."""


@dataclass(frozen=True)
class Moment:
    """The present time, by the clocks that there are."""

    wall: datetime
    """The database's."""
    boot: str
    uptime: float


def moment(tx: Transaction) -> Moment:
    """Return when a transaction has begun."""
    return Moment(tx.now, tx.clock.boot, tx.began_at_uptime)


def lasted(met: Met | None, at: Moment, span: Span) -> timedelta:
    """Return for how long something has lasted by then, if a look meets with it then as the others did."""
    if not met:
        return timedelta()
    wall = at.wall.timestamp()
    passed = at.uptime - met[at.boot] if at.boot in met else wall - met.get(WALL, wall)
    return timedelta(seconds=met.get(span.name, 0.0) + min(max(passed, 0.0), span.value))


def met_again(met: Met | None, at: Moment) -> dict[str, float]:
    """Return what is to be kept once one more look has met with it, the first one perhaps."""
    counted = {span.name: lasted(met, at, span).total_seconds() for span in Span}
    return {**counted, **_looked(at)}


def met_again_since(met: Met | None, at: Moment, since: datetime) -> dict[str, float]:
    """Return the same of something that is known to have begun then, by which `counted_since` knows it."""
    return {**met_again(met, at), _SINCE: since.timestamp()}


def counted_since(met: Met | None, since: datetime) -> Met | None:
    """Return what is kept of something that began then; None where what is kept is about another time."""
    return met if met is not None and met.get(_SINCE) == since.timestamp() else None


def known_since(since: datetime) -> dict[str, float]:
    """Return what is kept of something where it is only known when a look met with it first.

    How often it was met with since is not known, so of what has passed no more counts than of any gap.
    """
    return {WALL: since.timestamp()}


def looked_past(met: Met | None, at: Moment) -> dict[str, float]:
    """Return what is to be kept where a look could not tell whether it lasts: the time does not count."""
    counted = {span.name: (met or {}).get(span.name, 0.0) for span in Span}
    return {**counted, **_looked(at)}


def _looked(at: Moment) -> dict[str, float]:
    return {at.boot: at.uptime, WALL: at.wall.timestamp()}
