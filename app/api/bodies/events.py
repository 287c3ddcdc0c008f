"""The JSON of events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import (
    BaseModel,
    Field,
)

from app.events.reading import Happened


class EventBody(BaseModel):
    """One thing that happened to an order. A higher `id` was committed later."""

    id: int
    type: str
    at: datetime
    order_id: UUID | None = Field(description="Null where it concerns the service itself.")
    data: dict[str, Any]
    order: dict[str, Any] | None = Field(
        description="The order as it was shown when this happened, for the events that webhooks are told of; "
        "null for all others."
    )

    @classmethod
    def of(cls, happened: Happened) -> "EventBody":
        """Show an event."""
        return cls(
            id=happened.id,
            type=happened.type,
            at=happened.at,
            order_id=happened.order_id,
            data=happened.data,
            order=happened.shown,
        )


class EventList(BaseModel):
    """What happened, the oldest first. `next_cursor` leads on, null at the present end.

    A page is short, or empty, and leads on where little of what was looked through is wanted.
    """

    data: list[EventBody]
    next_cursor: str | None
