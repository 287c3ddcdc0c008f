"""Texts from outside, made fit to be shown: short, on one line, without our secrets however they are written.

CloudPress, or a proxy before it, may tell us our own token or the value that it calls back with, in an error,
in a status, in a name. Both are replaced by value where a foreign text is first taken (`fields`, `refusals`,
`transport`).
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, lru_cache, partial
from html.entities import html5
from urllib.parse import unquote

MAX_TEXT_LENGTH = 500
# More of a text is never looked at.
MAX_TAKEN_LENGTH = 16 * 1024
# No secret of ours is longer in any way of writing it. So much is left out at the end of what was cut there,
# where half a secret would not be recognised.
MAX_SPELLED_LENGTH = 4 * 1024
# A shorter secret is part of ordinary words as well: an error's text is spoilt for its sake, a name is not.
MIN_SECRET_LENGTH = 8
REDACTED = "[redacted]"
TIMES_ESCAPED = 3

_secrets: ContextVar[tuple[str, ...]] = ContextVar("secrets", default=())


@contextmanager
def concealing(*secrets: str) -> Iterator[None]:
    """Conceal these secrets, too, in all that CloudPress says in this block."""
    token = _secrets.set((*_secrets.get(), *secrets))
    try:
        yield
    finally:
        _secrets.reset(token)


def redaction() -> "Redaction":
    """Return the redaction of the secrets that are to be concealed here."""
    return _redaction(*_secrets.get())


class Redaction:
    """Replaces the given secrets in texts."""

    def __init__(self, *secrets: str) -> None:
        """Take the secrets; of one with a scheme (`Bearer x`) the part after it counts by itself."""
        found = {*secrets, *(secret.partition(" ")[2].strip() for secret in secrets)} - {""}
        # The longest first: a secret that holds another one must go as a whole.
        self._secrets = [_secret(value) for value in sorted(found, key=len, reverse=True)]

    def conceal(self, text: str, *, least: int = 0) -> str:
        """Return the text with every secret in it replaced that has at least so many characters."""
        for secret in self._secrets:
            if len(secret.value) >= least:
                text = secret.concealed_in(text)
        return text

    def beginning(self, text: str, *, least: int = 0) -> str:
        """Return the first part of a text that may be of any length, secrets replaced as by `conceal`."""
        concealed = self.conceal(text[:MAX_TAKEN_LENGTH], least=least)
        return concealed if len(text) <= MAX_TAKEN_LENGTH else concealed[:-MAX_SPELLED_LENGTH]

    def tidy(self, text: str) -> str:
        """Return the text as one printable line of at most 500 characters, secrets replaced."""
        printable = "".join(c if c.isprintable() else " " for c in self.beginning(text))
        # Once more: what was torn apart by what is not printed.
        return self.conceal(" ".join(printable.split()))[:MAX_TEXT_LENGTH]


_redaction = lru_cache(maxsize=1024)(Redaction)


class _Secret:
    """One secret, and the ways in which it may be written."""

    def __init__(self, value: str) -> None:
        self.value = value
        # Coded or escaped it is longer, unless it is escaped as it stands.
        self._shortest = 1 if _may_be_escaped(value) else len(value)

    @cached_property
    def _needles(self) -> set[str]:
        # A secret may itself look like something escaped.
        return {*_unescapings(self.value), *(coded.lower() for coded in _encoded(self.value))}

    def concealed_in(self, text: str) -> str:
        if not self._is_in(text):
            return text
        concealed = self._pattern.sub(REDACTED, text)
        # It is there in a way that cannot be told from what is around it.
        return REDACTED if self._is_in(concealed) else concealed

    def _is_in(self, text: str) -> bool:
        if not _may_be_escaped(text):
            # As nearly all are: nothing is looked for in what is shorter.
            plain = text.lower()
            return len(plain) >= self._shortest and any(needle in plain for needle in self._needles)
        return any(needle in each for each in _unescapings(text) for needle in self._needles)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        ways = ["".join(map(_character, self.value)), *map(re.escape, _encoded(self.value))]
        return re.compile("|".join(ways), re.IGNORECASE)


_secret = lru_cache(maxsize=1024)(_Secret)


def _may_be_escaped(text: str) -> bool:
    return "%" in text or "&" in text or "\\" in text


def _unescapings(text: str) -> Iterator[str]:
    """Yield a text in small letters, and what it says if it was escaped once, twice, ..."""
    yield text.lower()
    if not _may_be_escaped(text):
        return
    # What one kind of escaping has written may look to another like an escape of its own.
    for unescape in (unescaped_html, unquote, partial(_ESCAPED.sub, _unescaped)):
        plain = text
        for _ in range(TIMES_ESCAPED):
            plain = unescape(plain)
            yield plain.lower()
    for _ in range(TIMES_ESCAPED):
        if not _may_be_escaped(text):
            return
        text = unescaped_html(unquote(_ESCAPED.sub(_unescaped, text)))
        yield text.lower()


def unescaped_html(text: str) -> str:
    """Return a text without HTML's character references, however many digits one has.

    The standard library gives up on a number of some thousand digits; no character has more than seven.
    """
    return html.unescape(_LONG_NUMBER.sub(_in_short, text))


_LONG_NUMBER = re.compile("&#0*([0-9]*)(?<=[0-9]{8})")


def _in_short(found: re.Match[str]) -> str:
    return f"&#{found[1][:8] or 0}"


_ESCAPED = re.compile(r"\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.))", re.DOTALL | re.IGNORECASE)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else found[3]


def _character(character: str) -> str:
    """Return a pattern of a character as it is or escaped, once or more: in a URL, in HTML, in JSON."""
    code = ord(character)
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    named = "|".join(f"{re.escape(name.rstrip(';'))};?" for name, of in html5.items() if of == character)
    entity = rf"&(?:amp;)*(?:#0*{code};?|#x0*{code:x};?{f'|{named}' if named else ''})"
    escaped = rf"\\+(?:u{code:04x}|x{code:02x}|{re.escape(character)})"
    return f"(?:{re.escape(character)}|{percent}|{entity}|{escaped})"


def _encoded(value: str) -> Iterator[str]:
    """Yield a secret in quotes that keep its backslashes, in hexadecimal digits, and in base64.

    Of base64 every form that it may have in a longer text.
    """
    raw = value.encode("utf-8", "surrogatepass")
    quoted = value
    for _ in range(TIMES_ESCAPED if "\\" in value else 0):
        # How many of its backslashes are its own cannot be told once they are taken for escapes.
        quoted = json.dumps(quoted)[1:-1]
        yield quoted
    if len(raw) < MIN_SECRET_LENGTH:
        return
    yield raw.hex()
    for before in range(3):
        # The characters at either end hold bits of what stands beside it, too.
        first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        coded = base64.b64encode(b"\x00" * before + raw).decode()[first:last]
        yield coded
        yield coded.replace("+", "-").replace("/", "_")
