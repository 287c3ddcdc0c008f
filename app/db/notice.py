"""What a transaction has to tell once it is committed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.columns import Base


@dataclass(frozen=True)
class Notice:
    """What a committed transaction changed: orders that are seen differently, who is due, events."""

    changed: frozenset[UUID] = frozenset()
    due: frozenset[tuple[str, str | None]] = frozenset()
    """The tables in which a row is due, each with the row's account, None where that is not told."""
    events: bool = False

    def __bool__(self) -> bool:
        return self.events or bool(self.due) or bool(self.changed)

    def without(self, told: "Notice") -> "Notice":
        """Return what of it has not been told yet."""
        return Notice(self.changed - told.changed, self.due - told.due, self.events and not told.events)

    @property
    def payloads(self) -> list[str]:
        """The notice as other processes are told of it."""
        told = [str(order_id) for order_id in self.changed]
        told += sorted({f"due {table}" for table, _account in self.due})
        return [*told, "events"] if self.events else told


@dataclass(slots=True)
class NewEvent:
    """An event that is still to be inserted: no row yet, since there are a dozen in an order's life."""

    order_id: UUID | None
    type: str
    at: datetime
    data: dict[str, Any]
    shown: dict[str, Any] | None = None
    id: int | None = None
    """Its number, once it has one: the database gives it, but for one of SQLite's after a restoration."""

    def columns(self) -> dict[str, Any]:
        """Return what is inserted of it."""
        return {
            **({} if self.id is None else {"id": self.id}),
            "order_id": self.order_id,
            "type": self.type,
            "at": self.at,
            "data": self.data,
            "shown": self.shown,
        }


@dataclass(kw_only=True)
class Telling:
    """What every write transaction gathers: its time, its events, and whom to wake once it is committed."""

    now: datetime
    events: list[NewEvent] = field(default_factory=list)
    """Rows that are inserted last, so that their numbers follow the order of the commits."""
    _changed: set[UUID] = field(default_factory=set)
    _due: set[tuple[str, str | None]] = field(default_factory=set)

    def announce(
        self, *, changed: UUID | None = None, due: type[Base] | None = None, account: str | None = None
    ) -> None:
        """Wake, after the commit, who waits for the order, and who works on rows of the table `due`.

        `account` is whose row is due, if that is known.
        """
        if changed is not None:
            self._changed.add(changed)
        if due is not None:
            self._due.add((due.__tablename__, account))

    @property
    def notice(self) -> Notice:
        """What has been announced so far."""
        return Notice(frozenset(self._changed), frozenset(self._due), bool(self.events))
