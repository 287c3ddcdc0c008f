"""Webhooks: an endpoint, what was sent to it, and one delivery with what was answered."""

from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.api.auth import WebhooksTeller, WebhooksWriter
from app.api.bodies.webhooks import RedeliveryRequest, SecretRotation, WebhookChange, WebhookRequest
from app.api.context import ContextDep, require_migrated
from app.api.routes import webhooks as api
from app.dashboard.desk import desk_of
from app.dashboard.forms import FormDep, as_body
from app.dashboard.page import Page, back_to
from app.dashboard.routes.orders import FieldMoment
from app.webhooks.registry import heard

ON_A_PAGE = 50
DONE = {
    "enabled": "The webhook is enabled. What it missed is not sent by itself: send again what failed since.",
    "disabled": "Nothing is sent any more; what was pending has failed.",
    "again": "It is sent again.",
    "test": "A test is on its way.",
    "removed": "The webhook and its deliveries are gone.",
    "since": "Everything that failed or was missed since then is sent again.",
}
router = APIRouter(
    prefix="/ui/webhooks", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)
Status = Literal["pending", "delivered", "failed"]
Done = Annotated[str | None, Query(max_length=20)]


class _Hours(BaseModel):
    grace_hours: Annotated[int, Query(ge=0, le=720)] = 24


class _Since(BaseModel):
    since: FieldMoment


@router.get("")
async def webhooks(
    request: Request,
    grant: WebhooksWriter,
    context: ContextDep,
    cursor: UUID | None = None,
    done: Done = None,
) -> Response:
    """List the webhooks."""
    found = await api.list_webhooks(grant, context, ON_A_PAGE, cursor)
    return desk_of(request).render(
        request,
        "webhooks.html",
        webhooks=found.data,
        older=found.next_cursor,
        kinds=heard(grant.account_ids),
        said=DONE.get(done or ""),
    )


@router.post("")
async def create(request: Request, grant: WebhooksTeller, context: ContextDep, form: FormDep) -> Response:
    """Make a webhook, as `POST /v1/webhooks` does, and show its secret this once."""
    body = as_body(
        WebhookRequest, url=form.get("url"), description=form.get("description"), event_types=form.all("type")
    )
    made = await api.create_webhook(body, Response(), grant, context)
    return _told(request, made.secret, made.url, f"/ui/webhooks/{made.id}")


def _told(request: Request, secret: str, name: str, back: str) -> Response:
    return desk_of(request).render(
        request, "shown_once.html", is_secret=True, what="signing secret", secret=secret, name=name, back=back
    )


@router.get("/{webhook_id}")
async def webhook(
    webhook_id: UUID,
    request: Request,
    grant: WebhooksWriter,
    context: ContextDep,
    status: str | None = None,
    cursor: UUID | None = None,
    done: Done = None,
) -> Response:
    """Show a webhook and what was sent to it."""
    shown = await api.get_webhook(webhook_id, grant, context)
    only = cast("Status", status) if status in {"pending", "delivered", "failed"} else None
    found = await api.list_deliveries(webhook_id, grant, context, only, ON_A_PAGE, cursor)
    return desk_of(request).render(
        request,
        "webhook.html",
        webhook=shown,
        deliveries=found.data,
        older=found.next_cursor,
        only=only,
        said=DONE.get(done or ""),
    )


@router.get("/{webhook_id}/deliveries/{delivery_id}")
async def delivery(
    webhook_id: UUID,
    delivery_id: UUID,
    request: Request,
    grant: WebhooksWriter,
    context: ContextDep,
    done: Done = None,
) -> Response:
    """Show a delivery."""
    return desk_of(request).render(
        request,
        "delivery.html",
        webhook=await api.get_webhook(webhook_id, grant, context),
        delivery=await api.get_delivery(webhook_id, delivery_id, grant, context),
        attempts=(await api.list_attempts(webhook_id, delivery_id, grant, context)).data,
        said=DONE.get(done or ""),
    )


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver")
async def redeliver(
    webhook_id: UUID, delivery_id: UUID, grant: WebhooksTeller, context: ContextDep
) -> Response:
    """Send a message again."""
    await api.redeliver(webhook_id, delivery_id, grant, context)
    return back_to(f"/ui/webhooks/{webhook_id}/deliveries/{delivery_id}", "again")


@router.post("/{webhook_id}/redeliver")
async def redeliver_since(
    webhook_id: UUID, grant: WebhooksTeller, context: ContextDep, form: FormDep
) -> Response:
    """Send everything again that failed or was missed since a time."""
    since = as_body(_Since, since=form.get("since")).since
    body = as_body(RedeliveryRequest, since=since.isoformat())
    await api.redeliver_since(webhook_id, body, grant, context)
    return back_to(f"/ui/webhooks/{webhook_id}", "since")


@router.post("/{webhook_id}/test")
async def test(webhook_id: UUID, grant: WebhooksWriter, context: ContextDep) -> Response:
    """Send a test, and lead to how it goes."""
    sent = await api.test_webhook(webhook_id, grant, context)
    return back_to(f"/ui/webhooks/{webhook_id}/deliveries/{sent.id}", "test")


@router.post("/{webhook_id}/rotate")
async def rotate(
    webhook_id: UUID, request: Request, grant: WebhooksTeller, context: ContextDep, form: FormDep
) -> Response:
    """Give the webhook a new secret, which is shown this once."""
    hours = as_body(_Hours, grace_hours=form.get("grace_hours")).grace_hours
    made = await api.rotate(webhook_id, grant, context, SecretRotation(grace_seconds=hours * 3600))
    return _told(request, made.secret, made.url, f"/ui/webhooks/{webhook_id}")


@router.post("/{webhook_id}/enable")
async def enable(webhook_id: UUID, grant: WebhooksTeller, context: ContextDep) -> Response:
    """Send again from now on."""
    await api.change_webhook(webhook_id, WebhookChange(enabled=True), grant, context)
    return back_to(f"/ui/webhooks/{webhook_id}", "enabled")


@router.post("/{webhook_id}/disable")
async def disable(webhook_id: UUID, grant: WebhooksTeller, context: ContextDep) -> Response:
    """Send nothing any more."""
    await api.change_webhook(webhook_id, WebhookChange(enabled=False), grant, context)
    return back_to(f"/ui/webhooks/{webhook_id}", "disabled")


@router.post("/{webhook_id}/remove")
async def remove(webhook_id: UUID, grant: WebhooksWriter, context: ContextDep) -> Response:
    """Remove the webhook and its deliveries."""
    await api.delete_webhook(webhook_id, grant, context)
    return back_to("/ui/webhooks", "removed")
