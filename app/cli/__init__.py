"""The commands. Only the module of the one that is run is loaded: a client need not wait for a service's."""

import errno
import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

from app.cli.printing import complain, prepare_streams, print_nowhere, say
from app.cli.sparing import load_sparingly
from app.version import VERSION

# What each is, by module and name.
COMMANDS = {
    "serve": ("serve", "serve"),
    "worker": ("serve", "worker"),
    "migrate": ("serve", "migrate"),
    "rekey": ("maintenance", "rekey"),
    "doctor": ("doctor", "doctor"),
    "after-restore": ("maintenance", "after_restore"),
    "backup": ("maintenance", "backup"),
    "prune": ("maintenance", "prune"),
    "orders": ("orders", "app"),
    "accounts": ("accounts", "app"),
    "keys": ("keys", "app"),
    "orphans": ("orphans", "app"),
    "listen": ("listen", "listen"),
    "sandbox": ("sandbox", "sandbox"),
    "demo": ("demo", "demo"),
}
SERVING = {COMMANDS["serve"], COMMANDS["worker"]}
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
# What a shell sets that asks how a line could go on.
COMPLETING = "_PRESSHOOK_COMPLETE"


def main() -> None:
    """Run the command line. Bad settings and a port in use end it with one line and status 2."""
    prepare_streams()
    wanted = [name for name in sys.argv[1:2] if name in COMMANDS and COMPLETING not in os.environ]
    needs_none = sys.argv[1:] == ["--version"]
    if wanted and COMMANDS[wanted[0]] in SERVING:
        load_sparingly()
    try:
        command_line(wanted or (() if needs_none else COMMANDS))()
    except SystemExit:
        raise
    except _settings_errors() as error:
        complain(f"presshook: {error}")
        sys.exit(2)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        print_nowhere()  # the interpreter tries once more when it ends
        complain(f"presshook: {error.strerror}: what was to be written is not, and may be done all the same")
        sys.exit(1)


def command_line(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with some of its commands, or all."""
    app = typer.Typer(
        name="presshook",
        help="Orders WordPress sites from CloudPress and keeps track of them.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in names:
        module, attribute = COMMANDS[name]
        command = getattr(import_module(f"app.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        say(f"presshook {VERSION}")
        raise typer.Exit


def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which release this is."),
    ] = False,
) -> None:
    """Take what concerns no command alone."""


def _settings_errors() -> tuple[type[Exception], ...]:
    """Return what bad settings raise. It is asked for only when something was raised."""
    raised = (("app.config.loading", "SettingsError"), ("app.network", "NetworkSettingsError"))
    return tuple(getattr(import_module(module), name) for module, name in raised)
