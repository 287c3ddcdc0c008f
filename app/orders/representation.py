"""What is shown of an order: by the API, on streams, and to webhooks. Never a secret."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.db.models import Order, Site, Task
from app.orders.reading import OrderView
from app.states import (
    FINAL,
    AttentionCode,
    OrderStatus,
    Surroundings,
    Trouble,
    Waits,
    tells_of_anothers,
    waiting_for,
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


class WaitingBody(BaseModel):
    """Why an order is not done."""

    code: str
    detail: str
    until: datetime | None = Field(description="When it is looked at next, whatever happens before.")


class CancellationBody(BaseModel):
    """What became of the wish to cancel an order that is still open."""

    state: Literal["requested", "refused"]
    reasons: list[str]


class OrderBody(BaseModel):
    """An order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01a21364-55ed-741c-aaf9-d948ef69f453",
                    "status": "completed",
                    "account_id": "sandbox-account",
                    "request": {
                        "name": "Rosa's Bakery",
                        "variant": "vanilla",
                        "location": "Amsterdam",
                        "plan": None,
                        "return_url": None,
                    },
                    "cloudpress_order_id": "9b1c07f0-ff3b-4922-b4c1-adb6f995251d",
                    "payment_url": None,
                    "progress_url": None,
                    "tasks": [
                        {
                            "id": 1001,
                            "status": "OK",
                            "name": "create_site",
                            "title": "Create Rosa's Bakery",
                            "started_at": "2026-11-25T15:47:52.671816Z",
                            "ended_at": "2026-11-25T15:47:55.674068Z",
                        }
                    ],
                    "site": {
                        "id": "2db6b91a-80d1-4f14-ba70-c67eaafe2bac",
                        "name": "Rosa's Bakery",
                        "primary_domain": "2db6b91a.sandbox.example",
                        "location": "Amsterdam",
                        "region": "europe",
                        "package": "Starter",
                        "php_version": "8.4",
                        "domain_cname": "edge.sandbox.example",
                        "created_at": "2026-11-25T15:47:55.674038Z",
                        "updated_at": "2026-11-25T15:47:55.674068Z",
                        "ssh": {"ipaddr": "192.0.2.213", "username": "site2db6b91a", "port": 22},
                    },
                    "error": None,
                    "attention": None,
                    "cancellation": None,
                    "waiting_for": None,
                    "metadata": {"customer": "4711"},
                    "created_at": "2026-11-25T15:47:52.424713Z",
                    "updated_at": "2026-11-25T15:47:55.941501Z",
                    "finalized_at": "2026-11-25T15:47:55.941501Z",
                    "erased_at": None,
                }
            ]
        }
    )

    id: UUID
    status: str
    account_id: str
    request: OrderedSite
    cloudpress_order_id: str | None
    payment_url: str | None
    progress_url: str | None = Field(
        default=None,
        description="The end user's page, if the order was placed with `progress_page`: whoever has the "
        "address sees how far the order is, without an API key, and nothing else of it.",
    )
    tasks: list[TaskBody]
    site: SiteBody | None
    error: ErrorBody | None
    attention: AttentionBody | None
    cancellation: CancellationBody | None
    waiting_for: WaitingBody | None = Field(
        description="Null in what events tell, which is how the order was then. It changes with time, and "
        "neither `updated_at` nor the ETag heeds it."
    )
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    finalized_at: datetime | None
    erased_at: datetime | None = Field(
        default=None,
        description="Since then nothing personal is kept of it: no name, no URL, no metadata, no site.",
    )

    @classmethod
    def of(cls, view: OrderView, around: Surroundings | None = None) -> "OrderBody":
        """Show an order with its tasks and site, and what it waits for if it is known what is `around`."""
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
            progress_url=order.progress_url,
            tasks=[_task(task) for task in view.tasks],
            site=_site(view.site),
            error=error,
            attention=attention,
            cancellation=_cancellation(order),
            waiting_for=_waiting_for(view, around) if around else None,
            metadata=order.client_metadata,
            created_at=order.created_at,
            updated_at=order.updated_at,
            finalized_at=order.finalized_at,
            erased_at=order.erased_at,
        )


def _cancellation(order: Order) -> CancellationBody | None:
    if order.cancel_requested_at is not None:
        return CancellationBody(state="requested", reasons=[])
    if order.cancel_refusal is not None and order.status not in FINAL:
        return CancellationBody(state="refused", reasons=order.cancel_refusal)
    return None


def _waiting_for(view: OrderView, around: Surroundings) -> WaitingBody | None:
    order = view.order
    trouble = None if order.trouble_kind is None else Trouble(order.trouble_kind, order.trouble_status)
    waits = Waits(
        OrderStatus(order.status),
        order.due_at,
        held_until=order.lease_until if order.lease_token is not None else None,
        attention=None if order.attention_code is None else AttentionCode(order.attention_code),
        trouble=trouble,
        cloudpress_status=order.cloudpress_status,
        tasks=tuple(task.status for task in view.tasks),
        missing=order.missing_since is not None,
        cancelling=order.cancel_requested_at is not None,
        resolving=order.resolution is not None,
        may_be_anothers=tells_of_anothers(order.attention_detail or ""),
    )
    waiting = waiting_for(waits, around)
    if waiting is None:
        return None
    return WaitingBody(code=waiting.code, detail=waiting.detail, until=waiting.until)


def _task(task: Task) -> TaskBody:
    return TaskBody.model_validate(task, from_attributes=True)


def _site(site: Site | None) -> SiteBody | None:
    # Of an erased one the id alone is left.
    return SiteBody.model_validate(site.details) if site is not None and site.details else None
