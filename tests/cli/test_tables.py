"""What people are shown of an order, beside what they see of its status."""

from typing import Any

import pytest
from rich.console import Console

from app.cli.tables import order_table, orders_table

MOMENT = "2026-11-26T00:45:04Z"
ORDER: dict[str, Any] = {
    "id": "an order",
    "status": "completed",
    "account_id": "acct",
    "request": {"name": "Rosa's", "variant": "vanilla"},
    "cloudpress_order_id": "cp",
    "payment_url": None,
    "tasks": [],
    "site": {"primary_domain": "rosa.example", "name": "Rosa's"},
    "error": None,
    "attention": None,
    "cancellation": None,
    "created_at": MOMENT,
    "erased_at": None,
}
ERASED = ORDER | {"request": {"name": "", "variant": "vanilla"}, "site": None, "erased_at": MOMENT}


def printed(table: Any) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


@pytest.mark.parametrize("error", [None, {"code": "task_failed", "detail": ""}])
def test_an_erased_order_says_that_it_is_erased_and_how_it_ended(error: dict[str, str] | None) -> None:
    order = ERASED | {"error": error, "status": "failed" if error else "completed"}
    assert "what was personal of it is erased" in printed(orders_table([order]))
    shown = printed(order_table(order)).splitlines()
    assert [line.split() for line in shown if "erased" in line] == [["erased", MOMENT]]
    assert [line.split() for line in shown if "error" in line] == (
        [["error", "task_failed"]] if error else []
    )


def test_one_that_is_not_says_nothing_of_it() -> None:
    assert "erased" not in printed(orders_table([ORDER])) + printed(order_table(ORDER))
    assert "rosa.example" in printed(orders_table([ORDER]))
