"""How orders look in a terminal."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {
    "completed": "green",
    "failed": "red",
    "cancelled": "red",
    "awaiting_payment": "yellow",
    "unconfirmed": "yellow",
}
FINAL = {"completed", "failed", "cancelled"}

console = Console()


def status_of(order: dict[str, Any]) -> str:
    """Return an order's status in its colour, with a mark if it asks for attention."""
    colour = COLOURS.get(order["status"], "cyan")
    mark = " [bold red]![/]" if order["attention"] else ""
    return f"[{colour}]{order['status']}[/]{mark}"


def ago(moment: str) -> str:
    """Say how long ago a moment was."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def note_of(order: dict[str, Any]) -> str:
    """Say what a person wants to know of an order beside its status."""
    if order["attention"]:
        return str(order["attention"]["detail"])
    if order["error"]:
        return str(order["error"]["detail"])
    if order["payment_url"]:
        return f"to be paid at {order['payment_url']}"
    if order["site"]:
        return str(order["site"]["primary_domain"] or order["site"]["name"] or "")
    return ""


def orders_table(orders: Iterable[dict[str, Any]]) -> Table:
    """Return a table with a row for each order."""
    table = Table(box=None, header_style="bold")
    for name, width in (("id", 36), ("status", 16), ("ordered", 10)):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in ("site", "note"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for order in orders:
        name = escape(order["request"]["name"])
        table.add_row(order["id"], status_of(order), ago(order["created_at"]), name, escape(note_of(order)))
    return table


def order_table(order: dict[str, Any]) -> Table:
    """Return all that an order shows, a row for each field."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    request = order["request"]
    rows = {
        "order": order["id"],
        "site": f"{escape(request['name'])} ({request['variant']})",
        "status": status_of(order),
        "account": escape(order["account_id"]),
        "CloudPress order": order["cloudpress_order_id"],
        "pay at": order["payment_url"],
        "domain": (order["site"] or {}).get("primary_domain"),
        "error": (order["error"] or {}).get("detail"),
        "attention": (order["attention"] or {}).get("detail"),
        "cancellation": (order["cancellation"] or {}).get("state"),
        "ordered": f"{order['created_at']} ({ago(order['created_at'])})",
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, value if name in {"status", "site"} else escape(str(value)))
    for task in order["tasks"]:
        table.add_row("task", escape(f"{task['id']} {task['status']}"))
    return table
