"""Reads the database of a life beside the service, as an auditor would.

On SQLite it is told of each commit, and reads again only the tables that were written in it.
"""

import json
import sqlite3
from collections.abc import Callable, Set
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from tests.kept_connections import connect_reader

ORDER_FIELDS = (
    "id",
    "status",
    "site_name",
    "variant",
    "due_at",
    "scheduled_at",
    "not_before",
    "lease_until",
    "cloudpress_order_id",
    "cloudpress_order_id_source",
    "attention_code",
    "attention_detail",
    "error_code",
    "cancel_requested_at",
    "created_at",
)
T = TypeVar("T")
MOMENTS = frozenset({"at", "due_at", "scheduled_at", "not_before", "lease_until", "created_at", "sent_at"})


class Reader:
    """A connection of its own, which sees what is committed and nothing else."""

    def __init__(self, url: str) -> None:
        """Connect."""
        self._connection: Any
        if url.startswith("sqlite"):
            self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        else:
            self._connection = connect_reader(url)
        self._is_sqlite = url.startswith("sqlite")
        self._known: dict[str, dict[str, Any]] = {}
        """By table, what was read since it was last written, by what was asked."""

    def forget(self, tables: Set[str]) -> None:
        """Note that tables were written."""
        for table in tables & self._known.keys():
            del self._known[table]

    def _once(self, table: str, asked: str, read: Callable[[], T]) -> T:
        """Read a table unless it was not written since the same was asked."""
        if not self._is_sqlite:
            return read()
        known = self._known.setdefault(table, {})
        if asked not in known:
            known[asked] = read()
        answer: T = known[asked]
        return answer

    def orders(self) -> dict[UUID, dict[str, Any]]:
        """Return the rows that the invariants are about."""
        return self._once("orders", "all", self._orders)

    def _orders(self) -> dict[UUID, dict[str, Any]]:
        return {UUID(str(row["id"])): row for row in self._rows("orders", *ORDER_FIELDS)}

    def due_times(self) -> list[datetime]:
        """Return when orders are due, in any order."""
        return [row["due_at"] for row in self._rows("orders", "due_at", such="WHERE due_at IS NOT NULL")]

    def placements(self) -> list[dict[str, Any]]:
        """Return the attempts, first attempts first."""
        return self._once("placements", "all", self._placements)

    def _placements(self) -> list[dict[str, Any]]:
        columns = ("order_id", "attempt", "sent_at", "sent_boot", "sent_uptime", "outcome")
        rows = self._rows("placements", *columns, "http_status", "callback_key_id")
        for row in rows:
            row["order_id"] = UUID(str(row["order_id"]))
        return sorted(rows, key=lambda row: int(row["attempt"]))

    def owned(self, table: str) -> list[dict[str, Any]]:
        """Return whose each task or site is, by table."""
        return self._once(table, "all", lambda: self._owned(table))

    def _owned(self, table: str) -> list[dict[str, Any]]:
        rows = self._rows(table, "order_id", "id")
        for row in rows:
            row["order_id"] = UUID(str(row["order_id"]))
        return rows

    def is_anything_due(self) -> bool:
        """Tell whether any order or delivery is to be looked at, now or later."""
        due = [*self.orders().values(), *self.deliveries()]
        return any(row["due_at"] is not None for row in due)

    def odd_deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries that are due although they are over, or the other way round."""
        odd = "WHERE (status = 'pending') <> (due_at IS NOT NULL)"
        return self._once(
            "deliveries", "odd", lambda: self._rows("deliveries", "id", "status", "due_at", such=odd)
        )

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries."""
        return self._rows("deliveries", "id", "status", "due_at")

    def lifecycle_events(self) -> list[dict[str, Any]]:
        """Return the events that applications are told of."""
        found = self._rows("events", "id", "type", "shown", "at", such="WHERE shown IS NOT NULL")
        for row in found:
            row["shown"] = json.loads(row["shown"]) if isinstance(row["shown"], str) else row["shown"]
        return found

    def transitions(self) -> dict[UUID, list[tuple[str, str]]]:
        """Return the changes of status that the timelines tell."""
        found: dict[UUID, list[tuple[str, str]]] = {}
        such = "WHERE type = 'order.status_changed' ORDER BY id"
        for row in self._rows("events", "order_id", "data", such=such):
            told = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
            found.setdefault(UUID(str(row["order_id"])), []).append((told["before"], told["after"]))
        return found

    def _rows(self, table: str, *names: str, such: str = "") -> list[dict[str, Any]]:
        query = f"SELECT {', '.join(names)} FROM {table} {such}"  # noqa: S608 - of texts written in this class
        rows = self._connection.execute(query).fetchall()
        return [
            {
                name: _moment(value) if name in MOMENTS else value
                for name, value in zip(names, row, strict=True)
            }
            for row in rows
        ]

    def copy(self) -> sqlite3.Connection:
        """Return a copy of an SQLite database as it is now."""
        copied = sqlite3.connect(":memory:")
        self._connection.backup(copied)
        return copied

    def put_back(self, copied: sqlite3.Connection) -> None:
        """Make the database what it was when it was copied."""
        copied.backup(self._connection)
        copied.close()
        self._known.clear()

    def close(self) -> None:
        """Close."""
        self._connection.close()


def _moment(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC) if value is not None else None
