"""What a webhook is sent: the event and the order as the API showed it then, never more."""

import json
from datetime import UTC, datetime
from typing import Any

from app.models import Delivery

TEST = "webhook.test"


def message_id(delivery: Delivery) -> str:
    """Return what stays the same however often the same thing is sent, by which a receiver knows repeats."""
    return f"test_{delivery.id}" if delivery.event is None else f"evt_{delivery.event.id}"


def body_of(delivery: Delivery) -> bytes:
    """Return the message: the same bytes at each attempt."""
    event = delivery.event
    if event is None:
        told: dict[str, Any] = {
            "type": TEST,
            "timestamp": _stamp(delivery.created_at),
            "sequence": None,
            "data": {"webhook_id": str(delivery.webhook_id)},
        }
    else:
        told = {
            "type": event.type,
            "timestamp": _stamp(event.at),
            # A higher one was committed later: messages may overtake each other.
            "sequence": event.id,
            "data": event.shown if event.shown is not None else event.data,
        }
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
