"""What people are shown of an order, beside what they see of its status."""

from typing import Any

import pytest
from rich.console import Console

from app.cli.tables import order_table, orders_table, suspects_table, way_in

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


@pytest.mark.parametrize(
    ("address", "user", "port", "told"),
    [
        ("192.0.2.1", "site", 2222, ["ssh -p 2222 site@192.0.2.1"]),
        ("192.0.2.1", "site", None, ["ssh site@192.0.2.1"]),
        ("192.0.2.1", None, None, ["ssh 192.0.2.1", "user: not told by CloudPress"]),
        (None, "site", 2222, ["address: not told by CloudPress", "user: site"]),
        (None, None, None, ["address: not told by CloudPress", "user: not told by CloudPress"]),
    ],
)
@pytest.mark.parametrize("password", ["s3cr3t", None])
def test_a_way_in_of_which_cloudpress_has_not_told_all(
    address: str | None, user: str | None, port: int | None, told: list[str], password: str | None
) -> None:
    ssh = {"ipaddr": address, "username": user, "port": port, "password": password}
    assert way_in(ssh) == [*told, f"password: {password or 'not told by CloudPress'}"]


def test_a_task_whose_status_cloudpress_has_not_told_is_said_to_have_none() -> None:
    told = {"site_name": None, "variant": None, "location": None, "status": None, "created_at": None}
    suspect = {
        "cloudpress_order_id": "one", "code": "candidate", "placed_at": None, "held_by": None,
        "untold": None, "told": {**told, "tasks": [{"id": 7, "status": ""}]},
    }  # fmt: skip
    wide = Console(width=300)
    with wide.capture() as captured:
        wide.print(suspects_table([suspect]))
    assert "7 not told by CloudPress" in captured.get()
    assert "None" not in captured.get()
