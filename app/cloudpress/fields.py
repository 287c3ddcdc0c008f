"""Field types that take what CloudPress might send, and make every text storable.

The provider documents its fields by example only, so an optional field of an unexpected type is read
as absent instead of costing the whole answer.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, ValidationError, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator

MAX_TASK_ID = 2**63 - 1
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def mapping(value: object) -> dict[str, Any]:
    """Return a JSON object as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _storable(value: object) -> str:
    """Take a text or a number; what PostgreSQL refuses (NUL, lone surrogates) is replaced."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a text")
    return UNSTORABLE.sub("\ufffd", str(value))


def _id(value: object) -> str:
    if isinstance(value, float) or value == "":
        raise ValueError("not an id")
    return _storable(value)


def _task_id(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TASK_ID:
        raise ValueError("not a task id")
    return value


def _name(value: object) -> str:
    return _storable(value["name"] if isinstance(value, dict) and "name" in value else value)


def _url(value: object) -> str:
    url = _storable(value).strip()
    if not url:
        raise ValueError("an empty URL")
    return url


def _port(value: object) -> int:
    port = int(value) if isinstance(value, str | int) else 0
    if isinstance(value, bool) or not 0 < port < 65_536:
        raise ValueError("not a port")
    return port


def _secret(value: object) -> SecretStr:
    return value if isinstance(value, SecretStr) else SecretStr(_storable(value))


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
    """Take the ids of a list of objects; an entry without one names nothing and is passed over."""
    entries = value if isinstance(value, list | tuple) else ()
    ids = []
    for entry in entries:
        with suppress(ValueError):
            ids.append(_id(entry.get("id") if isinstance(entry, dict) else entry))
    return tuple(ids)


def _or_absent(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except (ValidationError, OverflowError, OSError):
        return None


OrAbsent = WrapValidator(_or_absent)

Id = Annotated[str, BeforeValidator(_id)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_ids)]
TaskId = Annotated[int, BeforeValidator(_task_id)]
Status = Annotated[str, BeforeValidator(_storable)]
Text = Annotated[Annotated[str, BeforeValidator(_storable)] | None, OrAbsent]
Name = Annotated[Annotated[str, BeforeValidator(_name)] | None, OrAbsent]
Url = Annotated[Annotated[str, BeforeValidator(_url)] | None, OrAbsent]
Port = Annotated[Annotated[int, BeforeValidator(_port)] | None, OrAbsent]
Secret = Annotated[Annotated[SecretStr, BeforeValidator(_secret)] | None, OrAbsent]
Time = Annotated[Annotated[datetime, BeforeValidator(_time)] | None, OrAbsent]
Flag = Annotated[bool | None, OrAbsent]
