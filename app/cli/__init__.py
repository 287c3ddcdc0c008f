"""The commands."""

import sys

import typer

from app.cli import accounts, demo, keys, listen, maintenance, orders, sandbox, serve
from app.config import SettingsError
from app.network import NetworkSettingsError

app = typer.Typer(
    name="presshook",
    help="Orders WordPress sites from CloudPress and keeps track of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(serve.worker)
app.command()(serve.migrate)
app.command()(maintenance.rekey)
app.command()(maintenance.after_restore)
app.add_typer(orders.app, name="orders")
app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.command()(listen.listen)
app.command()(sandbox.sandbox)
app.command()(demo.demo)


def main() -> None:
    """Run the command line. Bad settings end it with one line and status 2."""
    try:
        app()
    except (SettingsError, NetworkSettingsError) as error:
        print(f"presshook: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
