"""The orders of the demo: what each shows, how it has to end, and how they look while they come alive."""

import time
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from app.cli.tables import COLOURS
from app.states import FINAL, OrderStatus


@dataclass
class DemoOrder:
    """An order of the demo: what it shows and how it has to end."""

    name: str
    shows: str
    expected: OrderStatus = OrderStatus.COMPLETED
    body: dict[str, Any] = field(default_factory=dict)
    last: str = "ordering"
    placed_at: float = 0.0
    final_at: float | None = None

    @property
    def status(self) -> str:
        """The status as the API showed it last."""
        return str(self.body.get("status", "…"))

    def note(self, body: dict[str, Any]) -> None:
        """Take what the API shows now."""
        if body["status"] != self.status:
            self.last = _happened(body)
        self.body = body
        if body["status"] in FINAL and self.final_at is None:
            self.final_at = time.monotonic()


def demo_orders() -> list[DemoOrder]:
    """Return the orders, none of which is placed yet."""
    return [
        DemoOrder("Rosa's Bakery", "an order as it should be"),
        DemoOrder("Harbour Books [payment-first]", "the end user pays first"),
        DemoOrder("Quiet Garden [callback-lost]", "the callback never comes"),
        DemoOrder("Answerless Inn [place-lost] [callback-early]", "CloudPress's answer to the order is lost"),
        DemoOrder("Broken Bikes [task-failed]", "CloudPress's task fails", OrderStatus.FAILED),
        DemoOrder("Forged Metals [callback-forged]", "a forged callback is tried first"),
    ]


def _happened(body: dict[str, Any]) -> str:
    match body["status"]:
        case "completed":
            return f"site {body['site']['primary_domain']} is here"
        case "failed":
            return str(body["error"]["detail"])
        case "awaiting_payment":
            return "waiting for the end user to pay"
        case "provisioning":
            return "CloudPress's task runs"
        case "unconfirmed":
            return "was it placed? looking for it"
        case status:
            return str(status)


def demo_table(orders: list[DemoOrder]) -> Table:
    """Return how they are now."""
    table = Table(expand=False)
    for column in ("site", "what it shows", "status", "for", "what happened last"):
        table.add_column(column, no_wrap=column in {"status", "for"})
    for order in orders:
        until = order.final_at or time.monotonic()
        seconds = f"{until - order.placed_at:.1f} s" if order.placed_at else ""
        colour = COLOURS.get(order.status, "cyan")
        name = order.name.partition(" [")[0]
        table.add_row(name, order.shows, f"[{colour}]{order.status}[/]", seconds, order.last)
    return table
