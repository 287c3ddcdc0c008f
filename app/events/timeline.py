"""The timeline: what happened to an order, written in the transaction in which it happened."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.notice import NewEvent, Telling
from app.events.types import EventType


@dataclass(frozen=True)
class Actor:
    """Who did something: the name that people know, and the API key's id, since names may be alike.

    The environment's key and the command line have no id.
    """

    name: str
    key_id: UUID | None = None

    @property
    def told(self) -> dict[str, str]:
        """Who it is, as events and stored requests tell it."""
        return {"by": self.name} if self.key_id is None else {"by": self.name, "by_key": str(self.key_id)}


def record(
    tx: Telling,
    order_id: UUID | None,
    kind: EventType,
    *,
    by: Actor | str | None = None,
    shown: dict[str, Any] | None = None,
    **data: object,
) -> NewEvent:
    """Add an event to an order's timeline, or to the service's own. `data` must hold no secret.

    `by` is who did it, told as `by` and, where it was a stored API key, `by_key`; or how it became known.
    `shown` is the order as the API shows it, for events that applications are told of.
    """
    who = by.told if isinstance(by, Actor) else {} if by is None else {"by": by}
    event = NewEvent(order_id, kind, tx.now, {**data, **who} if who else data, shown)
    tx.events.append(event)
    return event
