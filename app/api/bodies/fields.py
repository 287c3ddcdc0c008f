"""The fields and bases that the bodies of requests share."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Described:
    """Describes what a validator checks, in whose place it does not step: its words are plainer."""

    pattern: str
    format: str | None = None

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the description with what is added."""
        form = {"format": self.format} if self.format else {}
        return {**handler(core_schema), "pattern": self.pattern, **form}


def _printable(value: str) -> str:
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value):
        raise ValueError("must not hold control characters")
    return value


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in value):
        raise ValueError("must be an http or https URL")
    return value


def _rfc3339(value: object) -> object:
    """Let only a text pass that is a time of RFC 3339; pydantic would take a number for one as well."""
    if not isinstance(value, str) or not RFC3339.match(value):
        raise ValueError("must be a time such as 2026-11-24T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999 in UTC") from None


PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
Line = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable), Described(PRINTABLE)]
HttpUrl = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    AfterValidator(_printable),
    AfterValidator(_http_url),
    Described(r"^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,4})?(/[!-~]*)?$", format="uri"),
]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc3339), AfterValidator(_in_utc)]


class Strict(BaseModel):
    """What clients send: unknown fields and converted types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)
