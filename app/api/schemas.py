"""The JSON of our API."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

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

from app.events import Happened
from app.orders import Credentials, NewOrder
from app.shown import OrderBody

MAX_METADATA_KEYS = 50
VARIANTS = ("vanilla", "extendify", "migration")
"""(provider page: `variant`)"""


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
MetadataKey = Annotated[
    str, Field(min_length=1, max_length=64), AfterValidator(_printable), Described(PRINTABLE)
]
MetadataValue = Annotated[str, Field(max_length=1024), AfterValidator(_printable), Described(PRINTABLE)]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc3339), AfterValidator(_in_utc)]


class Strict(BaseModel):
    """What clients send: unknown fields and converted types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SiteRequest(Strict):
    """The site to order."""

    name: Line = Field(description="The site's name.")
    variant: Literal["vanilla", "extendify", "migration"] = Field(description="The kind of site.")
    location: Line | None = Field(None, description="Where it is to be: a location of the catalog.")
    plan: Line | None = Field(None, description="The plan: a product of the catalog.")
    return_url: HttpUrl | None = Field(None, description="Where the end user is sent after paying.")


class OrderRequest(Strict):
    """An order for one site."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"site": {"name": "Rosa's Bakery", "variant": "vanilla"}},
                {
                    "site": {
                        "name": "Harbour Books",
                        "variant": "extendify",
                        "location": "Amsterdam",
                        "plan": "Starter",
                        "return_url": "https://shop.example.com/welcome",
                    },
                    "metadata": {"customer": "4711"},
                },
            ]
        }
    )

    site: SiteRequest
    account_id: Line | None = Field(
        None, description="The CloudPress account that it is ordered for; the default one if not given."
    )
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS)] = Field(
        default_factory=dict, description="Whatever the client wants to keep with the order."
    )

    def to_new_order(self, account_id: str, *, account_is_stored: bool, by: str) -> NewOrder:
        """Return what intake takes."""
        return NewOrder(
            account_id=account_id,
            account_is_stored=account_is_stored,
            by=by,
            site_name=self.site.name,
            variant=self.site.variant,
            location=self.site.location,
            plan=self.site.plan,
            return_url=self.site.return_url,
            metadata=self.metadata,
        )


class OrderList(BaseModel):
    """A page of orders, the newest first. `next_cursor` leads to older ones, null at the end."""

    data: list[OrderBody]
    next_cursor: str | None


class AdoptRequest(Strict):
    """An unconfirmed order is this CloudPress order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "adopt", "cloudpress_order_id": "98c61ea7-e8ab-41f8-af26-08e34566ce57"}]
        }
    )

    action: Literal["adopt"]
    cloudpress_order_id: Line = Field(description="The CloudPress order that is this order.")


class VerdictRequest(Strict):
    """An unconfirmed order is sent once more, or given up; suspected duplicates of an order are none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "fail"}, {"action": "place_again"}, {"action": "dismiss_duplicates"}]
        }
    )

    action: Literal["place_again", "fail", "dismiss_duplicates"]


ResolveRequest = Annotated[AdoptRequest | VerdictRequest, Field(discriminator="action")]


class EventBody(BaseModel):
    """One thing that happened to an order. A higher `id` was committed later."""

    id: int
    type: str
    at: datetime
    order_id: UUID | None = Field(description="Null where it concerns the service itself.")
    data: dict[str, Any]
    order: dict[str, Any] | None = Field(
        description="The order as it was shown when this happened, for the events whose type begins with "
        "`order.`; null for all others."
    )

    @classmethod
    def of(cls, happened: Happened) -> "EventBody":
        """Show an event."""
        return cls(
            id=happened.id,
            type=happened.type,
            at=happened.at,
            order_id=happened.order_id,
            data=happened.data,
            order=happened.shown,
        )


class EventList(BaseModel):
    """What happened, the oldest first. `next_cursor` leads on, null at the present end."""

    data: list[EventBody]
    next_cursor: str | None


class SshCredentials(BaseModel):
    """How to log in by ssh."""

    ipaddr: str | None
    username: str | None
    password: str | None
    port: int | None


class CredentialsBody(BaseModel):
    """The credentials of a finished site."""

    ssh: SshCredentials

    @classmethod
    def of(cls, credentials: Credentials) -> "CredentialsBody":
        """Show credentials."""
        return cls(ssh=SshCredentials.model_validate(credentials, from_attributes=True))
