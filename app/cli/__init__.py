"""The commands."""

import sys
from typing import Annotated

import typer

from app.cli import accounts, demo, keys, listen, maintenance, orders, sandbox, serve
from app.cli.printing import complain, prepare_streams, say
from app.config import SettingsError
from app.network import NetworkSettingsError
from app.version import VERSION

app = typer.Typer(
    name="presshook",
    help="Orders WordPress sites from CloudPress and keeps track of them.",
    no_args_is_help=True,
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


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        say(f"presshook {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which release this is."),
    ] = False,
) -> None:
    """Take what concerns no command alone."""


def main() -> None:
    """Run the command line. Bad settings and a port in use end it with one line and status 2."""
    prepare_streams()
    try:
        app()
    except (SettingsError, NetworkSettingsError) as error:
        complain(f"presshook: {error}")
        sys.exit(2)
