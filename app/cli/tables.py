"""How lists and orders look in a terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.cli.terminal import UNLIMITED_WIDTH, console

COLOURS = {
    "completed": "green",
    "failed": "red",
    "cancelled": "red",
    "awaiting_payment": "yellow",
    "unconfirmed": "yellow",
}
FINAL = {"completed", "failed", "cancelled"}
INDENT = 3
UNTOLD = "not told by CloudPress"


def listing(names: Sequence[str], rows: Iterable[Sequence[str]], *, first: int) -> RenderableType:
    """Return rows of markup as a table where it fits the screen; nothing is ever cut off.

    On a narrow screen the `first` columns are the table, and the rest of each row stands beneath it.
    """
    cells = [[*row] for row in rows]
    whole = _table(names, cells)
    unlimited = console.options.update(max_width=UNLIMITED_WIDTH)
    if console.measure(whole, options=unlimited).maximum <= console.width:
        return whole
    widths = [
        max(Text.from_markup(cell).cell_len for cell in column)
        for column in list(zip(names, *cells, strict=True))[:first]
    ]
    while first > 1 and sum(widths[:first]) + 2 * first > console.width:
        first -= 1
    widths = widths[:first]
    parts: list[RenderableType] = [_table(names[:first], [], widths)]
    for row in cells:
        rest = "  ".join(cell for cell in row[first:] if cell)
        parts += [_table((), [row[:first]], widths), Padding(rest, (0, 0, 0, INDENT))]
    return Group(*parts)


def _table(names: Sequence[str], rows: list[list[str]], widths: Sequence[int] | None = None) -> Table:
    table = Table(box=None, header_style="bold", show_header=bool(names))
    for place in range(len(names or widths or ())):
        name = names[place] if names else ""
        table.add_column(name, no_wrap=True, min_width=widths[place] if widths else None)
    for row in rows:
        table.add_row(*row)
    return table


def status_of(order: dict[str, Any]) -> str:
    """Return an order's status in its colour, with a mark if it asks for attention."""
    colour = COLOURS.get(order["status"], "cyan")
    mark = " [bold red]![/]" if order["attention"] else ""
    return f"[{colour}]{escape(order['status'])}[/]{mark}"


def ago(moment: str) -> str:
    """Say how long ago a moment was."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def note_of(order: dict[str, Any]) -> str:
    """Say what a person wants to know of an order beside its status."""
    if order.get("erased_at"):
        return "what was personal of it is erased"
    if order["attention"]:
        return str(order["attention"]["detail"])
    if order["error"]:
        return str(order["error"]["detail"])
    if order["payment_url"]:
        return f"to be paid at {order['payment_url']}"
    if order["site"]:
        return str(order["site"]["primary_domain"] or order["site"]["name"] or "")
    return ""


def orders_table(orders: Iterable[dict[str, Any]]) -> RenderableType:
    """Return a list with a row for each order."""
    rows = [
        (
            escape(order["id"]),
            status_of(order),
            ago(order["created_at"]),
            escape(order["request"]["name"]),
            escape(note_of(order)),
        )
        for order in orders
    ]
    return listing(("id", "status", "ordered", "site", "note"), rows, first=3)


def order_table(order: dict[str, Any]) -> Table:
    """Return all that an order shows, a row for each field."""
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    request = order["request"]
    rows = {
        "order": order["id"],
        "site": f"{request['name']} ({request['variant']})".strip(),
        "account": order["account_id"],
        "CloudPress order": order["cloudpress_order_id"],
        "pay at": order["payment_url"],
        "domain": (order["site"] or {}).get("primary_domain"),
        # The code is all that is left of an erased one's.
        "error": (order["error"] or {}).get("detail") or (order["error"] or {}).get("code"),
        "attention": (order["attention"] or {}).get("detail"),
        "waits for": (order.get("waiting_for") or {}).get("detail"),
        "cancellation": (order["cancellation"] or {}).get("state"),
        "ordered": f"{order['created_at']} ({ago(order['created_at'])})",
        "erased": order.get("erased_at"),
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, escape(str(value)))
        if name == "site":
            table.add_row("status", status_of(order))
    for task in order["tasks"]:
        table.add_row("task", escape(_told_task(task)))
    return table


def _told_task(task: dict[str, Any]) -> str:
    return f"{task['id']} {task['status'] or UNTOLD}"


def way_in(ssh: dict[str, Any]) -> list[str]:
    """Return lines that say how to log in to a site, and what of it is not known."""
    address, user, port = ssh["ipaddr"], ssh["username"], ssh["port"]
    lines = [f"{name}: {UNTOLD}" for name, value in (("address", address), ("user", user)) if value is None]
    if address is not None:
        there = address if user is None else f"{user}@{address}"
        lines.insert(0, f"ssh {there}" if port is None else f"ssh -p {port} {there}")
    elif user is not None:
        lines.append(f"user: {user}")
    password = UNTOLD if ssh["password"] is None else ssh["password"]
    return [*lines, f"password: {password}"]


def suspects_table(suspects: Iterable[dict[str, Any]]) -> RenderableType:
    """Return what may be an order, a row for each."""
    names = ("CloudPress order", "why", "site", "variant", "location", "status", "tasks", "made", "note")
    rows = []
    for each in suspects:
        told = each["told"] or {}
        tasks = ", ".join(_told_task(task) for task in told.get("tasks", ()))
        fields = [told.get(name) for name in ("site_name", "variant", "location", "status")]
        made = told.get("created_at") or each["placed_at"]
        note = f"order {each['held_by']} has it" if each["held_by"] else each["untold"]
        row = (each["cloudpress_order_id"], each["code"], *fields, tasks, made, note)
        rows.append([escape(str(value or "")) for value in row])
    return listing(names, rows, first=2)
