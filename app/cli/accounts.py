"""`accounts`: the CloudPress accounts of a running service."""

import sys
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.markup import escape

from app.cli.addresses import HERE, in_path
from app.cli.client import Client, ClientCommands
from app.cli.options import Json, Key, Url
from app.cli.printing import print_json, say
from app.cli.tables import listing
from app.cli.terminal import console

app = typer.Typer(
    cls=ClientCommands, help="Work with the CloudPress accounts of a running service.", no_args_is_help=True
)

AccountId = Annotated[str, typer.Argument(metavar="ID", help="CloudPress's id of the account.")]


def _table(accounts: list[dict[str, Any]]) -> RenderableType:
    rows = []
    for account in accounts:
        refused = account["attention"]
        state = f"[red]token refused since {escape(refused['since'])}[/]" if refused else "[green]fine[/]"
        rows.append((escape(account["id"]), escape(account["name"] or ""), escape(account["source"]), state))
    return listing(("account", "name", "from", "state"), rows, first=2)


@app.command("list")
def list_accounts(key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """List the accounts that orders can be placed for."""
    accounts: list[dict[str, Any]] = []
    for page in Client(url, key).pages("/accounts", [("limit", "100")]):
        accounts += page
    if as_json:
        print_json(accounts)
    else:
        console.print(_table(accounts))


@app.command()
def show(account_id: AccountId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Show an account."""
    account = Client(url, key).ask("GET", f"/accounts/{in_path(account_id)}").json()
    if as_json:
        print_json(account)
    else:
        console.print(_table([account]))


@app.command("set")
def store(
    account_id: AccountId,
    key: Key,
    *,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    ask_token: Annotated[
        bool,
        typer.Option("--token/--no-token", help="Read a new API token from standard input, or keep the old."),
    ] = True,
    as_json: Json = False,
    url: Url = HERE,
) -> None:
    """Store an account or change it. Its token is typed or piped in, so that no process list shows it."""
    body: dict[str, Any] = {} if name is None else {"name": name}
    if ask_token:
        body["token"] = _read_token()
    account = Client(url, key).ask("PUT", f"/accounts/{in_path(account_id)}", json=body).json()
    if as_json:
        print_json(account)
    else:
        console.print(_table([account]))


def _read_token() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("CloudPress API token", hide_input=True))
    return sys.stdin.readline().strip()


@app.command()
def remove(account_id: AccountId, key: Key, *, url: Url = HERE) -> None:
    """Forget an account and its token."""
    Client(url, key).ask("DELETE", f"/accounts/{in_path(account_id)}")
    say(f"Account {account_id} is forgotten.")
