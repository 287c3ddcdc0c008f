"""What the commands print, all of it: foreign text is shown here, and never obeyed by a terminal.

`plain` is the one filter, and all that prints passes through it; a test reads the commands for that. What is
laid out for somebody who watches is printed by `terminal.py`.
"""

import json
import os
import sys
from typing import TextIO, cast

import typer

from app.plain import plain


def say(*lines: str) -> None:
    """Print lines to standard output."""
    for line in lines:
        typer.echo(plain(line))


def say_if_possible(line: str) -> None:
    """Print a line, unless that cannot be done: what it tells has been done all the same."""
    try:
        say(line)
    except OSError:
        print_nowhere()


def print_nowhere() -> None:
    """Have standard output lead nowhere: the interpreter tries once more as it ends, and would fail again."""
    _lead_nowhere(sys.stdout.fileno())


def complain(*lines: str) -> None:
    """Print lines to standard error."""
    for line in lines:
        typer.echo(plain(line), err=True)


def print_json(document: object) -> None:
    """Print a document for scripts."""
    text = json.dumps(document, ensure_ascii=_is_ascii(), indent=2)
    for line in text.split("\n"):
        typer.echo(plain(line))


def print_json_line(document: object) -> None:
    """Print one of several documents for scripts, each a line."""
    typer.echo(plain(json.dumps(document, ensure_ascii=_is_ascii(), separators=(",", ":"))))


def _is_ascii() -> bool:
    """Tell whether JSON is printed in ASCII, because the characters of other alphabets cannot be."""
    return not sys.stdout.encoding.lower().startswith("utf")


def prepare_streams() -> None:
    """Let nothing that is printed or typed fail for its characters: what cannot be written is spelt out.

    Where the program was started with one of them closed, nothing is read or printed there: it is opened, so
    that no file or connection of ours is taken for it.
    """
    sys.stdin = sys.stdin or _nowhere(0, "r")
    sys.stdout = sys.stdout or _nowhere(1, "w")
    sys.stderr = sys.stderr or _nowhere(2, "w")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]


def _lead_nowhere(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _nowhere(number: int, mode: str) -> TextIO:
    _lead_nowhere(number)
    return cast("TextIO", os.fdopen(number, mode, closefd=False))
