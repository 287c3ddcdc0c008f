"""How a command ends."""

from enum import IntEnum
from typing import NoReturn

import typer

from app.cli.printing import complain


class ExitCode(IntEnum):
    """How a command ends."""

    REFUSED = 1
    """The service refused."""
    UNREACHABLE = 3
    """The service could not be reached, is not ready, or what answers is another program."""
    NOT_COMPLETED = 4
    """The order that was waited for ended failed or cancelled."""


class UnknownOutcomeError(typer.Exit):
    """The command ends, and the service may have done what it was asked for."""


def fail(*lines: str, code: ExitCode = ExitCode.REFUSED, error: type[typer.Exit] = typer.Exit) -> NoReturn:
    """End the command with lines on standard error."""
    complain(*lines)
    raise error(code)
