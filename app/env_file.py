"""An `.env` file, secrets' files and the environment, read as people write them: any UTF, quotes, blanks.

`docker run --env-file` keeps quotes, `$(cat file)` and secrets' files keep a newline, PowerShell's `>` writes
UTF-16: none of that is meant.
"""

import codecs
import difflib
import io
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16's, with which it begins.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NAME = re.compile(r"[\w.-]+")
LINE_END = re.compile(r"\r\n|\n|\r")
LINE = "write NAME=value, with both quotes or none and nothing after them but a # and a comment"
ASSIGNED = re.compile(r"\s*(?:(?:export|set)\s+)?(\w+)(\s*=)?")
"""What a line of an `.env` file begins with that is to set something, whether or not it can be read."""
CONTINUED = re.compile(r"(?:\$env:)?\"?(\w+)", re.IGNORECASE)
"""What a name begins with that is none: a colon and a value follow, or it is in quotes, or PowerShell's."""
SINGLE_QUOTED = re.compile(r"\s*'((?:\\.|[^'\\])*)'", re.DOTALL)
ESCAPED = re.compile(r"\\.", re.DOTALL)
LARGEST_SECRET_BYTES = 65_536
# How much of two names is the same: CLOUDPRESS_URL is near CLOUDPRESS_BASE_URL, SECRET_KEY_BASE is not near
# SECRET_KEY.
NEAR = 0.84
OWN_PREFIX = "PRESSHOOK_"
# What other commands and docker-compose.yml read.
OTHERS = frozenset(
    {
        "PRESSHOOK_URL",
        "PRESSHOOK_API_KEY",
        "PRESSHOOK_API_KEY_FILE",
        "PRESSHOOK_WEBHOOK_SECRET",
        "PRESSHOOK_WEBHOOK_SECRET_FILE",
        "PRESSHOOK_PORT",
    }
)


class EnvFileError(Exception):
    """An `.env` file cannot be read; the text is one line that shows nothing of what is in it."""


def read_env_file(path: Path, known: Collection[str]) -> dict[str, str | None]:
    """Return what a file sets, by names as they are written.

    `known` are the names of settings, the only words of a line that an error may tell: any other one may be
    a secret, or a part of it.

    Raises:
        EnvFileError: it cannot be opened, is no text, or has a line that cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise EnvFileError(f"{path}: the file cannot be read: {error.strerror}") from None
    try:
        text = _decoded(raw)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise EnvFileError(f"{path}: line {line} is not UTF-8: save the file as UTF-8") from None
    if "\x00" in text:
        raise EnvFileError(f"{path}: the file is no text, or UTF-16 without a mark: save it as UTF-8")
    found: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or _loses_a_setting(binding, known):
            raise EnvFileError(f"{path}: {_place(binding, known)} cannot be read: {LINE}")
        if binding.key is not None:
            found[binding.key] = _value(binding, found)
    return found


def _loses_a_setting(binding: Binding, known: Collection[str]) -> bool:
    """Say whether what the parser could read would count as if nobody had written it.

    `NAME:value` is a name to it, up to the first =, and a quote that is not closed ends at the next value's.
    """
    if binding.key is not None and not NAME.fullmatch(binding.key):
        begins = CONTINUED.match(binding.key)
        if binding.value is None or (begins and begins[1].upper() in known):
            return True
    _, *others = LINE_END.split(binding.original.string.strip())
    assigned = (ASSIGNED.match(line) for line in others)
    return any(found[1].upper() in known and found[2] for found in assigned if found)


def _place(binding: Binding, known: Collection[str]) -> str:
    """Return which line it is, and which setting it is to set where it begins with a known name."""
    written = binding.original.string
    text = written.lstrip()
    line = binding.original.line + len(LINE_END.findall(written, 0, len(written) - len(text)))
    begins = ASSIGNED.match(text)
    name = begins[1].upper() if begins else ""
    return f"line {line} ({name})" if name in known else f"line {line}"


def _value(binding: Binding, found: Mapping[str, str | None]) -> str | None:
    """Return what a line sets: letter by letter where it is in single quotes, else with variables put in.

    In single quotes a backslash escapes nothing but a quote, as Docker Compose has it.
    """
    if binding.value is None:
        return None
    quoted = SINGLE_QUOTED.match(binding.original.string.partition("=")[2])
    if quoted:
        return ESCAPED.sub(lambda escaped: escaped[0].replace("\\'", "'"), quoted[1])
    values = {**os.environ, **found}
    return "".join(part.resolve(values) for part in parse_variables(binding.value))


def read_secret(name: str, path: Path) -> str:
    """Return what a secret's file holds, without the one newline that editors and `echo` leave at its end.

    `name` is the setting that names the file. An error tells it, not the path: whoever takes the setting for
    the secret itself has that there.

    Raises:
        EnvFileError: it cannot be read, is no text, is empty, or is no secret's for its size or its lines.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_SECRET_BYTES + 1)
    except OSError as error:
        raise EnvFileError(f"{name}: its file cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST_SECRET_BYTES:
        raise EnvFileError(f"{name}: its file is larger than {LARGEST_SECRET_BYTES} bytes: no secret is")
    try:
        text = _decoded(raw)
    except UnicodeDecodeError:
        raise EnvFileError(f"{name}: its file is not UTF-8") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise EnvFileError(f"{name}: its file is empty")
    if "\x00" in secret:
        raise EnvFileError(f"{name}: its file is no text, or UTF-16 without a mark")
    # Else it would be a part of a database's name, and of two keys one below the other it would make one.
    if "\n" in secret or "\r" in secret:
        raise EnvFileError(f"{name}: its file has more than one line: it holds the secret and nothing else")
    return secret


def _decoded(raw: bytes) -> str:
    """Return a file's text without its mark.

    Raises:
        UnicodeDecodeError: it is none.
    """
    return raw.decode(next((name for mark, name in BYTE_ORDER_MARKS if raw.startswith(mark)), "utf-8"))


def bare(value: str) -> str:
    """Return a value without the white space around it, and without one pair of quotes around that."""
    value = value.strip()
    for quote in "\"'":
        if len(value) >= 2 and value[0] == value[-1] == quote and quote not in value[1:-1]:
            return value[1:-1].strip()
    return value


def near_misses(given: Iterable[str], known: Iterable[str]) -> Mapping[str, str]:
    """Return which of the given names look like a known one, and like which.

    What cannot be a name may hold a part of a value, and is not told.
    """
    names = sorted(known)
    found = {}
    for name in given:
        plain = name.strip().upper().replace("-", "_")
        if name.upper() in names or plain in OTHERS or not NAME.fullmatch(name.strip()):
            continue
        meant = plain.removeprefix(OWN_PREFIX)
        near = [meant] if meant in names else difflib.get_close_matches(meant, names, 1, NEAR)
        if near:
            found[name] = near[0]
    return found
