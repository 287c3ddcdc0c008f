"""Reads a stream of Server-Sent Events. (HTML Standard, "Server-sent events")"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# `str.splitlines` ends lines at eight more characters, each of which may stand in a site's name.
LINE_END = re.compile(r"\r\n|\n|\r")
MAX_LINE_CHARACTERS = 4 * 1024 * 1024


class EndlessLineError(ValueError):
    """A line is longer than any event of Presshook's."""


@dataclass(frozen=True)
class Message:
    """A message of a stream. `last_event_id` is where to go on after it; `data` is None if it holds none."""

    last_event_id: str | None
    data: str | None


def lines_of(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream as they end: at CR LF, LF or CR, and at nothing else.

    Raises:
        EndlessLineError: a line does not end.
    """
    decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
    begun = ""
    was_cr = False
    for piece in pieces:
        text = decode(piece)
        if not text:
            continue
        # The CR has ended its line already.
        rest = text.removeprefix("\n") if was_cr else text
        was_cr = text.endswith("\r")
        *whole, begun = LINE_END.split(begun + rest)
        yield from whole
        if len(begun) > MAX_LINE_CHARACTERS:
            raise EndlessLineError


def messages_of(lines: Iterable[str]) -> Iterator[Message]:
    """Yield the messages that lines make up; what is no field of the standard is passed over."""
    data: list[str] = []
    last_event_id: str | None = None
    for line in lines:
        if not line:
            if data or last_event_id is not None:
                yield Message(last_event_id, "\n".join(data) if data else None)
            data, last_event_id = [], None
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            last_event_id = value
