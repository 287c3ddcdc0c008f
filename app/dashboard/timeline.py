"""One timeline of an order: what happened here, at CloudPress and on the way to applications, by time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.dashboard.words import look_of, spoken
from app.db.models import Delivery, Task
from app.events.reading import Happened
from app.events.types import EventType

_LANES = {
    EventType.PLACING: "placement",
    EventType.PLACEMENT_ENDED: "placement",
    EventType.LOOKED_UP: "placement",
    EventType.FOUND_NOWHERE: "placement",
    EventType.IDENTIFIED: "placement",
    EventType.TASK_CHANGED: "task",
    EventType.CALLBACK_RECEIVED: "callback",
    EventType.CALLBACK_REPEATED: "callback",
    EventType.SITE_CHANGED: "site",
}
BY_PEOPLE = {"by", "by_key"}


@dataclass(frozen=True)
class Entry:
    """One thing in the timeline. `lane` says what it is about, `kind` what has happened."""

    at: datetime
    lane: str
    title: str
    kind: str = ""
    number: int | None = None
    by: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    state: str | None = None
    link: str | None = None
    order_id: UUID | None = None


@dataclass(frozen=True)
class Told:
    """A delivery of one of the order's events, and the address that it goes to."""

    delivery: Delivery
    url: str


def timeline(events: Sequence[Happened], tasks: Sequence[Task], deliveries: Sequence[Told]) -> list[Entry]:
    """Return all that is known to have happened, the newest first."""
    entries = [entry_of(happened) for happened in events]
    entries += [entry for task in tasks for entry in _of_task(task)]
    entries += [_of_delivery(told) for told in deliveries]
    # The number decides between events of one moment, which one transaction may have written.
    return sorted(entries, key=lambda entry: (entry.at, entry.number or 0), reverse=True)


def entry_of(happened: Happened) -> Entry:
    """Return an event as a timeline tells it."""
    title, said = _title(happened)
    facts = {name: value for name, value in happened.data.items() if name not in {*BY_PEOPLE, *said}}
    lane = _LANES.get(happened.type, happened.type.partition(".")[0])  # type: ignore[call-overload]
    return Entry(
        happened.at,
        lane,
        title,
        kind=happened.type,
        number=happened.id,
        by=happened.data.get("by"),
        facts=facts,
        order_id=happened.order_id,
    )


def _title(happened: Happened) -> tuple[str, tuple[str, ...]]:
    """Return what happened in words, and which of its facts they tell already."""
    data = happened.data
    before, after = data.get("before"), data.get("after")
    match happened.type:
        case EventType.STATUS_CHANGED if before and after:
            return f"{look_of(before).word} → {look_of(after).word}", ("before", "after")
        case EventType.TASK_CHANGED if after:
            change = f"{before} → {after}" if before else f"is {after}"
            return f"CloudPress's task {data.get('task_id', '')} {change}", ("before", "after", "task_id")
        case EventType.PLACEMENT_ENDED if "outcome" in data:
            return f"Attempt {data.get('attempt')} ended: {spoken(data['outcome'])}", ("attempt", "outcome")
        case EventType.PLACING if "attempt" in data:
            return f"Attempt {data['attempt']}: the intent to send is stored", ("attempt",)
    return _sentence(happened.type), ()


def _sentence(kind: str) -> str:
    try:
        return EventType(kind).sentence
    except ValueError:
        return kind


def _of_task(task: Task) -> list[Entry]:
    """Return when CloudPress says that it began and ended, by its own clock."""
    facts = {"task": task.id, "title": task.title or task.name}
    found = []
    if task.started_at is not None:
        found.append(Entry(task.started_at, "task", "CloudPress began the task.", "cloudpress", facts=facts))
    if task.ended_at is not None:
        facts = {**facts, "status": task.status}
        found.append(Entry(task.ended_at, "task", "CloudPress ended the task.", "cloudpress", facts=facts))
    return found


def _of_delivery(told: Told) -> Entry:
    delivery = told.delivery
    facts = {
        "event": None if delivery.event is None else delivery.event.type,
        "to": told.url,
        "attempts": delivery.attempts,
        "answered": delivery.response_status,
        "error": delivery.error,
    }
    titles = {
        "delivered": "The application was told.",
        "failed": "The application could not be told.",
        "pending": "The application is being told.",
    }
    return Entry(
        delivery.delivered_at or delivery.last_attempt_at or delivery.created_at,
        "webhook",
        titles.get(delivery.status, delivery.status),
        facts=facts,
        state=delivery.status,
        link=delivery_path(delivery.webhook_id, delivery.id),
    )


def delivery_path(webhook_id: UUID, delivery_id: UUID) -> str:
    """Return the address of a delivery's page."""
    return f"/ui/webhooks/{webhook_id}/deliveries/{delivery_id}"
