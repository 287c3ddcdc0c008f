"""Old finished orders in any number: copies, made by SQL, of one that was ordered, finished and told of."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from app.db.columns import Base
from app.db.models import Callback, Delivery, DeliveryAttempt, Event, Order, Placement, Site, Task

AT_ONCE = 50_000
OF_AN_ORDER = (Order, Placement, Task, Site, Callback, Event, Delivery, DeliveryAttempt)
# Their numbers are the database's.
NUMBERED = {"callbacks"}
GO_ON_NUMBERING = "SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events))"
WORDS = {
    "sqlite": {
        "numbers": (
            "(WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) "
            "SELECT i FROM n) AS n"
        ),
        "id": "printf('%016x%016x', {row}, n.i)",
        "time": "strftime('%Y-%m-%d %H:%M:%S', 1577836800 + n.i, 'unixepoch') || '.000000'",
    },
    "postgresql": {
        "numbers": "generate_series({first}, {last}) AS n(i)",
        "id": "(lpad(to_hex({row}::bigint), 16, '0') || lpad(to_hex(n.i::bigint), 16, '0'))::uuid",
        "time": "to_timestamp(1577836800 + n.i)",
    },
}
"""How each database counts, makes an id of a row's number and an order's, and a second of 2020 of that."""


class Copying:
    """Copies the one finished order of a database."""

    def __init__(self, connection: Connection) -> None:
        """Read what there is of it."""
        self._connection = connection
        self._words = WORDS[connection.dialect.name]
        self._newest = connection.execute(select(func.max(Event.id))).scalar_one()
        self._rows = {
            table.name: [row._mapping for row in connection.execute(select(*table.primary_key.columns))]
            for table in self._tables()
        }
        events = [row["id"] for row in self._rows["events"]]
        self._event_numbers = {number: position for position, number in enumerate(events)}
        told = connection.execute(select(Delivery.id, Delivery.event_id))
        self._event_of = {delivery: self._event_numbers[event] for delivery, event in told if event}
        deliveries = [row["id"] for row in self._rows["deliveries"]]
        self._delivery_numbers = {number: position for position, number in enumerate(deliveries)}

    @staticmethod
    def _tables() -> Iterator[Table]:
        for model in OF_AN_ORDER:
            yield Base.metadata.tables[model.__tablename__]

    def copy(self, count: int) -> None:
        """Make so many copies, in transactions of their own."""
        for first in range(1, count + 1, AT_ONCE):
            last = min(count, first + AT_ONCE - 1)
            numbers = self._words["numbers"].format(first=first, last=last)
            with self._connection.begin():
                for table in self._tables():
                    for position, row in enumerate(self._rows[table.name]):
                        self._copy(table, position, dict(row), numbers)
        if self._connection.dialect.name == "postgresql":
            with self._connection.begin():
                self._connection.execute(text(GO_ON_NUMBERING))

    def _copy(self, table: Table, position: int, row: dict[str, Any], numbers: str) -> None:
        columns = [it.name for it in table.columns if not (it.name == "id" and table.name in NUMBERED)]
        values = ", ".join(self._value(table.name, name, position, row) for name in columns)
        named = ", ".join(f'"{name}"' for name in columns)
        found = " AND ".join(f"t.{name} = :{name}" for name in row)
        into = f"INSERT INTO {table.name} ({named})"
        copied = f"SELECT {values} FROM {numbers}, {table.name} AS t WHERE {found}"  # noqa: S608 - of words of ours
        typed = [table.c[name].type for name in row]
        statement = text(f"{into} {copied}")
        bound = {
            name: kind.dialect_impl(self._connection.dialect).bind_processor(self._connection.dialect)
            for name, kind in zip(row, typed, strict=True)
        }
        given = {name: process(row[name]) if (process := bound[name]) else row[name] for name in row}
        self._connection.execute(statement, given)

    def _value(self, table: str, column: str, position: int, row: dict[str, Any]) -> str:
        """Return what a column of a copy holds: its own, or what the order has."""
        match table, column:
            case ("orders", "id") | (_, "order_id"):
                return self._words["id"].format(row=1)
            case ("orders", "cloudpress_order_id") | ("placements", "cloudpress_order_id") | ("sites", "id"):
                return "'00000000-0000-4000-8000-' || n.i"
            case ("orders", "idempotency_key"):
                return "'order ' || n.i"
            case ("tasks", "id"):
                return "n.i"
            case ("events", "id"):
                return f"{self._newest} + n.i * {len(self._event_numbers)} - {position}"
            case ("deliveries", "event_id"):
                return f"{self._newest} + n.i * {len(self._event_numbers)} - {self._event_of[row['id']]}"
            case ("deliveries", "id"):
                return self._words["id"].format(row=2 + position)
            case ("delivery_attempts", "delivery_id"):
                return self._words["id"].format(row=2 + self._delivery_numbers[row["delivery_id"]])
            case (
                "orders" | "placements" | "events",
                "created_at" | "updated_at" | "finalized_at" | "sent_at" | "at",
            ):
                return self._words["time"]
        return f't."{column}"'
