"""`orphans`: what CloudPress has and a restored database has lost, at a running service."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from app.cli.addresses import HERE
from app.cli.client import Client, ClientCommands
from app.cli.options import Json, Key, Url
from app.cli.printing import complain, print_json, say
from app.cli.tables import listing
from app.cli.terminal import console

app = typer.Typer(cls=ClientCommands, help="Settle what a restored database has lost.", no_args_is_help=True)

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The CloudPress account.")]
OrderId = Annotated[str, typer.Argument(metavar="ID", help="CloudPress's id of the order.")]


@app.command("list")
def list_orphans(key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """List CloudPress's orders since the backup that no order here holds."""
    client = Client(url, key)
    found: list[dict[str, Any]] = []
    for page in client.pages("/orphans", [("limit", "100")]):
        found += page
    searching = client.ask("GET", "/orphans", params=[("limit", "1")]).json()["searching"]
    if searching:
        complain(f"Still being looked through, and nothing is placed meanwhile: {', '.join(searching)}")
    if as_json:
        print_json(found)
        return
    names = ("account", "CloudPress order", "status", "site", "variant", "placed")
    fields = ("account_id", "cloudpress_order_id", "cloudpress_status", "site_name", "variant", "placed_at")
    console.print(
        listing(names, [[escape(str(orphan[name] or "")) for name in fields] for orphan in found], first=2)
    )


@app.command()
def adopt(
    account_id: AccountId, order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE
) -> None:
    """Make an order of one, which is then followed as any other."""
    body = {"account_id": account_id, "cloudpress_order_id": order_id}
    order = Client(url, key).ask("POST", "/orphans/adopt", json=body).json()
    if as_json:
        print_json(order)
    else:
        say(f"It is order {order['id']} now.")


@app.command()
def dismiss(account_id: AccountId, order_id: OrderId, key: Key, *, url: Url = HERE) -> None:
    """Say that one is none of ours: orders that look like it are placed."""
    body = {"account_id": account_id, "cloudpress_order_id": order_id}
    Client(url, key).ask("POST", "/orphans/dismiss", json=body)
    say(f"CloudPress order {order_id} is dismissed.")
