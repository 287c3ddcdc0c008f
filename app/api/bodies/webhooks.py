"""The JSON of webhooks and deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.bodies.fields import Described, Line, Moment, Strict
from app.db.models import Delivery, Webhook
from app.events.types import ToldEvent
from app.webhooks.messages import TEST
from app.webhooks.registry import MadeWebhook

MAX_GRACE_SECONDS = 30 * 24 * 3600
EXAMPLE_URL = "https://shop.example.com/hooks/presshook"

EventTypes = Annotated[
    list[Annotated[ToldEvent, Field(strict=False)]], Field(min_length=1, max_length=len(ToldEvent))
]
# What else is wrong with a URL, `Allowance.check_url` says in plainer words than a pattern.
Url = Annotated[str, Field(min_length=1, max_length=2000), Described(r"^https?://[^#]+$", "uri")]


class WebhookRequest(Strict):
    """A webhook to be made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": EXAMPLE_URL, "event_types": ["order.completed"]}]}
    )

    url: Url = Field(description="Where messages are posted: https, and a public address.")
    event_types: EventTypes | None = Field(
        None, description="What it is told of; all that happens to orders if not given."
    )
    description: Line | None = Field(None, description="For people.")
    enabled: bool = Field(default=True, description="Whether anything is sent.")


class WebhookChange(Strict):
    """What of a webhook is to change. What is not given stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_types": None}, {"description": "The shop's back office"}]}
    )

    url: Url | None = None
    event_types: EventTypes | None = Field(None, description="Null for all that happens to orders.")
    description: Line | None = None
    enabled: bool | None = None


class SecretRotation(Strict):
    """How a webhook's secret is rotated."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"grace_seconds": 86400}]})

    grace_seconds: Annotated[float, Field(ge=0, le=MAX_GRACE_SECONDS, allow_inf_nan=False)] = Field(
        86_400, description="How long the secret before it signs as well."
    )


class RedeliveryRequest(Strict):
    """What is to be sent again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-11-01T00:00:00Z"}]})

    since: Moment = Field(description="Everything that failed or was missed since then.")


class RedeliveryBody(BaseModel):
    """How much is being sent again."""

    count: int


class WebhookBody(BaseModel):
    """A webhook, without its secret."""

    id: UUID
    url: str
    description: str | None
    event_types: list[str] | None
    account_ids: list[str] | None = Field(description="What the key that made it may see; null is all.")
    enabled: bool
    disabled_reason: str | None = Field(description="Why the service itself disabled it.")
    failing_since: datetime | None = Field(description="Since when nothing has been delivered.")
    former_secret_until: datetime | None = Field(description="Until when the former secret signs as well.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> "WebhookBody":
        """Show a webhook."""
        return cls(**_shown(webhook))


class MadeWebhookBody(WebhookBody):
    """A webhook that was just made or whose secret was rotated, with the secret, which is shown this once."""

    secret: str

    @classmethod
    def told(cls, made: MadeWebhook) -> "MadeWebhookBody":
        """Show a webhook with its secret."""
        return cls(**_shown(made.stored), secret=made.secret)


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "description": webhook.description,
        "event_types": webhook.event_types,
        "account_ids": webhook.account_ids,
        "enabled": webhook.is_enabled,
        "disabled_reason": webhook.disabled_reason,
        "failing_since": webhook.failing_since,
        "former_secret_until": webhook.former_until,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


class WebhookList(BaseModel):
    """Webhooks, the newest first. `next_cursor` leads on to older ones, null at the end."""

    data: list[WebhookBody]
    next_cursor: str | None


class DeliveryBody(BaseModel):
    """A message on its way to a webhook."""

    id: UUID
    event_id: int | None = Field(description="Null for a test.")
    type: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    response_status: int | None = Field(description="The status of the last answer.")
    response_excerpt: str | None = Field(description="The first kilobyte of the last answer.")
    error: str | None = Field(description="What went wrong at the last attempt.")

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryBody":
        """Show a delivery."""
        return cls(
            id=delivery.id,
            event_id=delivery.event_id,
            type=TEST if delivery.event is None else delivery.event.type,
            status=delivery.status,  # the table has no other
            attempts=delivery.attempts,
            created_at=delivery.created_at,
            last_attempt_at=delivery.last_attempt_at,
            next_attempt_at=delivery.due_at,
            delivered_at=delivery.delivered_at,
            response_status=delivery.response_status,
            response_excerpt=delivery.response_excerpt,
            error=delivery.error,
        )


class AttemptBody(BaseModel):
    """One attempt to deliver a message."""

    number: int
    ended_at: datetime
    duration_ms: int
    response_status: int | None = Field(description="Null if there was no answer.")
    response_excerpt: str | None = Field(description="The first kilobyte of the answer.")
    error: str | None = Field(description="What went wrong.")


class AttemptList(BaseModel):
    """The last attempts of a delivery, the newest first."""

    data: list[AttemptBody]


class DeliveryList(BaseModel):
    """Deliveries, the newest first. `next_cursor` leads on to older ones, null at the end."""

    data: list[DeliveryBody]
    next_cursor: str | None
