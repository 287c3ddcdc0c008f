"""The JSON of our API."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.models import Order, Site, Task
from app.orders import Credentials, NewOrder, OrderView
from app.states import FINAL

MAX_METADATA_KEYS = 50
VARIANTS = ("vanilla", "extendify", "migration")
"""(provider page: `variant`)"""


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


Line = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
HttpUrl = Annotated[
    str, Field(min_length=1, max_length=2048), AfterValidator(_printable), AfterValidator(_http_url)
]
MetadataKey = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
MetadataValue = Annotated[str, Field(max_length=1024), AfterValidator(_printable)]


class Strict(BaseModel):
    """What clients send: unknown fields and converted types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SiteRequest(Strict):
    """The site to order."""

    name: Line = Field(examples=["Rosa's Bakery"])
    variant: Literal["vanilla", "extendify", "migration"] = Field(examples=["vanilla"])
    location: Line | None = Field(None, examples=["Amsterdam"])
    plan: Line | None = Field(None, examples=["Starter"])
    return_url: HttpUrl | None = Field(None, examples=["https://shop.example.com/welcome"])


class OrderRequest(Strict):
    """An order for one site."""

    site: SiteRequest
    account_id: Line | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS)] = Field(
        default_factory=dict, examples=[{"customer": "4711"}]
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


class ResolveRequest(Strict):
    """What becomes of an unconfirmed order."""

    action: Literal["adopt", "place_again", "fail"]
    cloudpress_order_id: Line | None = Field(
        None, description="For `adopt`: the CloudPress order that is this order."
    )

    @model_validator(mode="after")
    def _named_if_adopted(self) -> Self:
        if (self.action == "adopt") != (self.cloudpress_order_id is not None):
            raise ValueError("cloudpress_order_id is needed for adopt, and for nothing else")
        return self


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
