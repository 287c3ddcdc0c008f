"""What was given on the command line: nothing that is empty or said twice is passed over."""

from collections.abc import Iterable
from typing import TypeVar

import typer

T = TypeVar("T")


def not_empty(value: str | None) -> str | None:
    """Return what an option was given, None where it was left out.

    Raises:
        typer.BadParameter: it is empty, as a variable of a script is that nobody has set.
    """
    if value is not None and not value.strip():
        raise typer.BadParameter("this is empty: give it a value, or leave the option out")
    return value


def once(pairs: Iterable[tuple[str, T]], *, option: str, what: str = "{name}") -> dict[str, T]:
    """Return pairs by their names; `what` stands for a name in an error, which may be a secret.

    Raises:
        typer.BadParameter: a name comes twice, and which of its values is meant nobody can say.
    """
    found: dict[str, T] = {}
    for name, value in pairs:
        if name in found:
            raise typer.BadParameter(f"{what.format(name=name)} is given twice", param_hint=option)
        found[name] = value
    return found
