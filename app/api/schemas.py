"""The JSON of our API."""

import re
from dataclasses import dataclass
from datetime import datetime
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

from app.models import Order, Site, Task
from app.orders import Credentials, NewOrder, OrderView
from app.states import FINAL

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
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_rfc3339)]


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


class OrderedSite(BaseModel):
    """The site as it was ordered."""

    name: str
    variant: str
    location: str | None
    plan: str | None
    return_url: str | None


class TaskBody(BaseModel):
    """A task of CloudPress; its status is CloudPress's own word."""

    id: int
    status: str
    name: str | None
    title: str | None
    started_at: datetime | None
    ended_at: datetime | None


class SshBody(BaseModel):
    """How to reach a site by ssh, without the password."""

    ipaddr: str | None
    username: str | None
    port: int | None


class SiteBody(BaseModel):
    """A finished site."""

    id: str
    name: str | None
    primary_domain: str | None
    location: str | None
    region: str | None
    package: str | None
    php_version: str | None
    domain_cname: str | None
    created_at: datetime | None
    updated_at: datetime | None
    ssh: SshBody | None


class ErrorBody(BaseModel):
    """Why an order failed."""

    code: str
    detail: str


class AttentionBody(BaseModel):
    """Why a person should look at an order."""

    code: str
    detail: str
    since: datetime


class CancellationBody(BaseModel):
    """What became of the wish to cancel an order that is still open."""

    state: Literal["requested", "refused"]
    reasons: list[str]


class OrderBody(BaseModel):
    """An order."""

    id: UUID
    status: str
    account_id: str
    request: OrderedSite
    cloudpress_order_id: str | None
    payment_url: str | None
    tasks: list[TaskBody]
    site: SiteBody | None
    error: ErrorBody | None
    attention: AttentionBody | None
    cancellation: CancellationBody | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    finalized_at: datetime | None

    @classmethod
    def of(cls, view: OrderView) -> "OrderBody":
        """Show an order with its tasks and site."""
        order = view.order
        request = OrderedSite(
            name=order.site_name,
            variant=order.variant,
            location=order.location,
            plan=order.plan,
            return_url=order.return_url,
        )
        error = attention = None
        if order.error_code is not None:
            error = ErrorBody(code=order.error_code, detail=order.error_detail or "")
        if order.attention_code is not None and order.attention_since is not None:
            attention = AttentionBody(
                code=order.attention_code, detail=order.attention_detail or "", since=order.attention_since
            )
        return cls(
            id=order.id,
            status=order.status,
            account_id=order.account_id,
            request=request,
            cloudpress_order_id=order.cloudpress_order_id,
            payment_url=order.payment_url,
            tasks=[_task(task) for task in view.tasks],
            site=_site(view.site),
            error=error,
            attention=attention,
            cancellation=_cancellation(order),
            metadata=order.client_metadata,
            created_at=order.created_at,
            updated_at=order.updated_at,
            finalized_at=order.finalized_at,
        )


def _cancellation(order: Order) -> CancellationBody | None:
    if order.cancel_wished_at is not None:
        return CancellationBody(state="requested", reasons=[])
    if order.cancel_refusal is not None and order.status not in FINAL:
        return CancellationBody(state="refused", reasons=order.cancel_refusal)
    return None


class OrderList(BaseModel):
    """A page of orders, the newest first. `next_cursor` leads to older ones, null at the end."""

    data: list[OrderBody]
    next_cursor: str | None


def _task(task: Task) -> TaskBody:
    return TaskBody.model_validate(task, from_attributes=True)


def _site(site: Site | None) -> SiteBody | None:
    return SiteBody.model_validate(site.details) if site is not None else None


class AdoptRequest(Strict):
    """An unconfirmed order is this CloudPress order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "adopt", "cloudpress_order_id": "98c61ea7-e8ab-41f8-af26-08e34566ce57"}]
        }
    )

    action: Literal["adopt"]
    cloudpress_order_id: Line = Field(description="The CloudPress order that is this order.")


class GiveUpRequest(Strict):
    """An unconfirmed order is sent once more, or given up."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": "fail"}, {"action": "place_again"}]})

    action: Literal["place_again", "fail"]


ResolveRequest = Annotated[AdoptRequest | GiveUpRequest, Field(discriminator="action")]


class EventBody(BaseModel):
    """One thing that happened to an order."""

    id: int
    type: str
    at: datetime
    data: dict[str, Any]


class EventList(BaseModel):
    """A part of an order's timeline, the oldest first. `next_cursor` leads on, null at its present end."""

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
