"""Field types that take what CloudPress might send, bounded, and make every text storable.

The provider documents its fields by example only, so an optional field of an unexpected type is read
as absent instead of costing the whole answer. What links an order to its task and its site is not optional:
what of it cannot be read spoils the answer.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr, ValidationError, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator

from app.cloudpress.addresses import MAX_ID_LENGTH
from app.cloudpress.redaction import MIN_SECRET_LENGTH, redaction

MAX_TASK_ID = 2**63 - 1
# Longer than any name that an order can have, even where each of its characters became an HTML entity.
MAX_TEXT_LENGTH = 2000
MAX_STATUS_LENGTH = 64
MAX_URL_LENGTH = 4096
MAX_PASSWORD_LENGTH = 1024
MAX_LINKS = 100
CUT = "\u2026"
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class TooManyError(ValueError):
    """A list is longer than is worth reading; `name` is the field's."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"{name} has more than {most} entries")


def mapping(value: object) -> dict[str, Any]:
    """Return a JSON object as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _storable(value: object, most: int = MAX_TEXT_LENGTH) -> str:
    """Take a text or a number, cut if it is long.

    What PostgreSQL refuses (NUL, lone surrogates) and what is secret is replaced.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a text")
    text = UNSTORABLE.sub("\ufffd", redaction().beginning(str(value), least=MIN_SECRET_LENGTH))
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def _status(value: object) -> str:
    return _storable(value, MAX_STATUS_LENGTH)


def _id(value: object) -> str:
    """Take what can be asked for and stored as it is: an id that was mended would be another's."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("not an id")
    text = str(value)
    if text in {"", ".", ".."} or len(text) > MAX_ID_LENGTH or not text.isprintable():
        raise ValueError("not an id")
    return text


def _task_id(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TASK_ID:
        raise ValueError("not a task id")
    return value


def _name(value: object) -> str:
    return _storable(value["name"] if isinstance(value, dict) and "name" in value else value)


def _web_address(value: object) -> str:
    """Take what a browser opens as a page, and nothing that runs there (`javascript:`, `data:`)."""
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH:
        raise ValueError("not a URL")
    url = value.strip()
    parts = urlsplit(url)
    if not url.isprintable() or any(each in url for each in ' \\"<>') or "@" in parts.netloc:
        raise ValueError("not a URL that can be shown")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http(s) URL")
    return url


def _port(value: object) -> int:
    port = int(value) if isinstance(value, str | int) else 0
    if isinstance(value, bool) or not 0 < port < 65_536:
        raise ValueError("not a port")
    return port


def _secret(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    if len(str(value)) > MAX_PASSWORD_LENGTH:
        raise ValueError("not a password")  # a part of one would be none
    return SecretStr(_storable(value))


def _time(value: object) -> datetime:
    """Take ISO 8601, with UTC where no offset is given, or the seconds since 1970."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = datetime.fromtimestamp(value, UTC)
    if not isinstance(value, datetime):
        raise ValueError("not a time")
    return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def _ids(value: object) -> tuple[str, ...]:
    """Take the ids of a list of objects, or of one. An entry without an id leaves it open whom it names."""
    if value is None or value is False or value in ("", {}):
        return ()
    entries = value if isinstance(value, list | tuple) else [value]
    if len(entries) > MAX_LINKS:
        raise ValueError(f"more than {MAX_LINKS} of them")
    return tuple(_id(entry.get("id") if isinstance(entry, dict) else entry) for entry in entries)


def _or_absent(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except (ValidationError, OverflowError, OSError):
        return None


OrAbsent = WrapValidator(_or_absent)

Id = Annotated[str, BeforeValidator(_id)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids)]
TaskId = Annotated[int, BeforeValidator(_task_id)]
Status = Annotated[str, BeforeValidator(_status)]
StatusText = Annotated[Annotated[str, BeforeValidator(_status)] | None, OrAbsent]
Text = Annotated[Annotated[str, BeforeValidator(_storable)] | None, OrAbsent]
Name = Annotated[Annotated[str, BeforeValidator(_name)] | None, OrAbsent]
ShownAddress = Annotated[str, BeforeValidator(_web_address)]
WebAddress = Annotated[ShownAddress | None, OrAbsent]
Port = Annotated[Annotated[int, BeforeValidator(_port)] | None, OrAbsent]
Secret = Annotated[Annotated[SecretStr, BeforeValidator(_secret)] | None, OrAbsent]
Time = Annotated[Annotated[datetime, BeforeValidator(_time)] | None, OrAbsent]
Flag = Annotated[bool | None, OrAbsent]
