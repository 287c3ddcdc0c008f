"""Secrets as the environment gives them to a command, the API key among them."""

import os
from pathlib import Path

import typer

from app.cli.ending import fail
from app.cloudpress import header_safe
from app.env_file import EnvFileError, bare, read_secret

KEY_NAMES = ("PRESSHOOK_API_KEY", "API_KEY")


def secret_of_environment(*names: str, option: str) -> str | None:
    """Return the secret that the environment has by the first of these names, or in a file by it and `_FILE`.

    None if it has none. As in the service's settings, blanks and quotes around it are no part of it.

    Raises:
        typer.BadParameter: the file cannot be read, or holds no secret.
    """
    for name in names:
        if value := bare(os.environ.get(name, "")):
            return value
        path = bare(os.environ.get(f"{name}_FILE", ""))
        if path:
            try:
                return read_secret(f"{name}_FILE", Path(path))
            except EnvFileError as error:
                raise typer.BadParameter(str(error), param_hint=option) from None
    return None


def refuse_both(*names: str, option: str) -> None:
    """Have no secret set by its name and by its file's.

    Raises:
        typer.BadParameter: one is.
    """
    for name in names:
        if bare(os.environ.get(name, "")) and bare(os.environ.get(f"{name}_FILE", "")):
            both = f"{name} is set, and so is {name}_FILE: set one of the two"
            raise typer.BadParameter(both, param_hint=option)


def key_of_environment() -> str:
    """Return the API key that the environment has, where none is given.

    Raises:
        typer.BadParameter: there is none.
    """
    key = secret_of_environment(*KEY_NAMES, option="--key")
    if key is None:
        none = "there is none: give it, or set PRESSHOOK_API_KEY or PRESSHOOK_API_KEY_FILE"
        raise typer.BadParameter(none, param_hint="--key")
    return key


def presentable(key: str) -> str:
    """Return an API key that can be sent; end the command if it is none.

    Raises:
        typer.BadParameter: one is set in two ways.
    """
    refuse_both(*KEY_NAMES, option="--key")
    try:
        return header_safe(key)
    except ValueError:
        fail("This cannot be an API key, which is one word of ASCII: set PRESSHOOK_API_KEY or --key.")
