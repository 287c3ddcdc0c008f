"""What a webhook is sent: the event and the order as the API showed it then, never more."""

import json
from datetime import UTC, datetime
from typing import Any

from app.db.models import Delivery

TEST = "webhook.test"


def message_id(delivery: Delivery) -> str:
    """Return what stays the same however often the same thing is sent, by which a receiver knows repeats."""
    return f"test_{delivery.id}" if delivery.event is None else event_message_id(delivery.event.id)


def event_message_id(event_id: int) -> str:
    """Return what a message about an event is known by."""
    return f"evt_{event_id}"


def body_of(delivery: Delivery) -> bytes:
    """Return the message: the same bytes at each attempt."""
    event = delivery.event
    if event is None:
        return body(TEST, _stamp(delivery.created_at), None, {"webhook_id": str(delivery.webhook_id)})
    return body(
        event.type, _stamp(event.at), event.id, event.shown if event.shown is not None else event.data
    )


def body(kind: str, timestamp: str, sequence: int | None, data: dict[str, Any]) -> bytes:
    """Return a message. One may overtake another; the higher `sequence` was committed later."""
    told = {"type": kind, "timestamp": timestamp, "sequence": sequence, "data": data}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
