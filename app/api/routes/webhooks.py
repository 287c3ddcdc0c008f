"""Webhooks over HTTP: where applications are told, what became of it, and once more."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.api.auth import WebhooksTeller, WebhooksWriter
from app.api.bodies.webhooks import (
    AttemptBody,
    AttemptList,
    DeliveryBody,
    DeliveryList,
    MadeWebhookBody,
    RedeliveryBody,
    RedeliveryRequest,
    SecretRotation,
    WebhookBody,
    WebhookChange,
    WebhookList,
    WebhookRequest,
)
from app.api.context import Context, ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import invalid_field, not_found
from app.api.problems.problem import Problem
from app.db.models import Delivery, Webhook
from app.keys.grants import Grant
from app.webhooks import deliveries, outbox, redelivering, registry
from app.webhooks.addresses import BadUrlError

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[Depends(require_migrated)])

READ = documented(401, 403, 404, 422, 503)
WRITE = documented(400, 401, 403, 404, 413, 415, 422, 503)
SEND = documented(400, 401, 403, 404, 409, 413, 415, 422, 503)


async def _find(context: Context, grant: Grant, webhook_id: UUID) -> Webhook:
    async with context.db.read() as session:
        webhook = await registry.find_webhook(session, webhook_id)
    if webhook is None or not grant.covers((), webhook.account_ids):
        raise not_found("webhook")
    return webhook


def _check_url(context: Context, url: str) -> None:
    try:
        context.settings.webhook_allowance.check_url(url)
    except BadUrlError as error:
        raise invalid_field("url", str(error)) from None


def _disabled() -> Problem:
    return Problem(409, "webhook-disabled", "The webhook is disabled: enable it first.")


def _too_many() -> Problem:
    return Problem(
        409,
        "too-many-webhooks",
        f"There are {registry.MOST_WEBHOOKS} webhooks for these accounts already: remove one, or change one.",
    )


def _unheard(error: registry.UnheardEventsError) -> Problem:
    return invalid_field("event_types", f"This webhook is for some accounts: {error}.")


@router.get("", operation_id="listWebhooks", responses=documented(401, 403, 422, 503))
async def list_webhooks(
    grant: WebhooksWriter,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Webhooks on a page.")] = 50,
    cursor: Annotated[UUID | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> WebhookList:
    """List the webhooks that are told of no more than the key may see, the newest first."""
    async with context.db.read() as session:
        found = await registry.find_webhooks(
            session, account_ids=grant.account_ids, before=cursor, limit=limit + 1
        )
    page = [WebhookBody.of(webhook) for webhook in found[:limit]]
    return WebhookList(data=page, next_cursor=str(page[-1].id) if len(found) > limit else None)


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    responses=documented(400, 401, 403, 409, 413, 415, 422, 503),
)
async def create_webhook(
    body: WebhookRequest, response: Response, grant: WebhooksTeller, context: ContextDep
) -> MadeWebhookBody:
    """Make a webhook, which is told of what happens from now on. Its secret is shown this once.

    It is told of the accounts that the key may see, now and later.
    """
    _check_url(context, body.url)
    new = registry.NewWebhook(
        body.url,
        None if body.event_types is None else tuple(body.event_types),
        None if grant.account_ids is None else tuple(grant.account_ids),
        body.description,
        body.enabled,
    )
    try:
        made = await registry.make_webhook(context.db, new, by=grant.actor)
    except registry.TooManyWebhooksError:
        raise _too_many() from None
    except registry.UnheardEventsError as error:
        raise _unheard(error) from None
    response.headers["Location"] = f"/v1/webhooks/{made.stored.id}"
    return MadeWebhookBody.told(made)


@router.get("/{webhook_id}", operation_id="getWebhook", responses=READ)
async def get_webhook(webhook_id: UUID, grant: WebhooksWriter, context: ContextDep) -> WebhookBody:
    """Read a webhook, without its secret."""
    return WebhookBody.of(await _find(context, grant, webhook_id))


@router.patch("/{webhook_id}", operation_id="changeWebhook", responses=WRITE)
async def change_webhook(
    webhook_id: UUID, body: WebhookChange, grant: WebhooksTeller, context: ContextDep
) -> WebhookBody:
    """Change a webhook. One that is disabled is sent nothing, and what was pending has failed."""
    await _find(context, grant, webhook_id)
    given = body.model_dump(exclude_unset=True)
    for name in ("url", "enabled"):
        if name in given and given[name] is None:
            raise invalid_field(name, "This cannot be null.")
    if "url" in given:
        _check_url(context, given["url"])
    if "enabled" in given:
        given["is_enabled"] = given.pop("enabled")
    try:
        changed = await registry.change_webhook(context.db, webhook_id, given, by=grant.actor)
    except registry.UnheardEventsError as error:
        raise _unheard(error) from None
    if changed is None:
        raise not_found("webhook")
    return WebhookBody.of(changed)


@router.delete("/{webhook_id}", status_code=204, operation_id="deleteWebhook", responses=READ)
async def delete_webhook(webhook_id: UUID, grant: WebhooksWriter, context: ContextDep) -> Response:
    """Remove a webhook and its deliveries."""
    await _find(context, grant, webhook_id)
    await registry.remove_webhook(context.db, webhook_id, by=grant.actor)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate",
    operation_id="rotateWebhookSecret",
    responses=SEND,
)
async def rotate(
    webhook_id: UUID, grant: WebhooksTeller, context: ContextDep, body: SecretRotation | None = None
) -> MadeWebhookBody:
    """Give a webhook a new secret. During the grace both secrets sign.

    While the grace of an earlier rotation runs, another one with a grace is refused: it would end that one.
    """
    await _find(context, grant, webhook_id)
    grace_seconds = (body or SecretRotation(grace_seconds=86_400)).grace_seconds
    try:
        made = await registry.rotate_secret(
            context.db, webhook_id, grace_seconds=grace_seconds, by=grant.actor
        )
    except registry.RotationUnderWayError as error:
        raise Problem(409, "rotation-under-way", str(error)) from None
    if made is None:
        raise not_found("webhook")
    return MadeWebhookBody.told(made)


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    operation_id="testWebhook",
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def test_webhook(webhook_id: UUID, grant: WebhooksWriter, context: ContextDep) -> DeliveryBody:
    """Send a `webhook.test` message; its delivery tells what the application answered."""
    webhook = await _find(context, grant, webhook_id)
    if not webhook.is_enabled:
        raise _disabled()
    return _told(await outbox.enqueue_test(context.db, webhook_id))


@router.get("/{webhook_id}/deliveries", operation_id="listDeliveries", responses=READ)
async def list_deliveries(
    webhook_id: UUID,
    grant: WebhooksWriter,
    context: ContextDep,
    status: Annotated[
        Literal["pending", "delivered", "failed"] | None, Query(description="Only those.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Deliveries on a page.")] = 50,
    cursor: Annotated[UUID | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> DeliveryList:
    """List what was sent to a webhook, the newest first."""
    await _find(context, grant, webhook_id)
    async with context.db.read() as session:
        found = await deliveries.find_deliveries(
            session, webhook_id, before=cursor, status=status, limit=limit + 1
        )
    page = [DeliveryBody.of(delivery) for delivery in found[:limit]]
    return DeliveryList(data=page, next_cursor=str(page[-1].id) if len(found) > limit else None)


@router.get("/{webhook_id}/deliveries/{delivery_id}", operation_id="getDelivery", responses=READ)
async def get_delivery(
    webhook_id: UUID, delivery_id: UUID, grant: WebhooksWriter, context: ContextDep
) -> DeliveryBody:
    """Read a delivery."""
    await _find(context, grant, webhook_id)
    async with context.db.read() as session:
        return _told(await deliveries.find_delivery(session, webhook_id, delivery_id))


@router.get("/{webhook_id}/deliveries/{delivery_id}/attempts", operation_id="listAttempts", responses=READ)
async def list_attempts(
    webhook_id: UUID,
    delivery_id: UUID,
    grant: WebhooksWriter,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Attempts, at most.")] = 50,
) -> AttemptList:
    """List the last attempts to deliver a message: how long each took, and what was answered."""
    await get_delivery(webhook_id, delivery_id, grant, context)
    async with context.db.read() as session:
        found = await deliveries.find_attempts(session, delivery_id, limit=limit)
    return AttemptList(data=[AttemptBody.model_validate(each, from_attributes=True) for each in found])


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    operation_id="redeliver",
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def redeliver(
    webhook_id: UUID, delivery_id: UUID, grant: WebhooksTeller, context: ContextDep
) -> DeliveryBody:
    """Send a message again, with the same id, whatever became of it before."""
    await _find(context, grant, webhook_id)
    try:
        return _told(await redelivering.redeliver(context.db, webhook_id, delivery_id))
    except redelivering.WebhookDisabledError:
        raise _disabled() from None


@router.post("/{webhook_id}/redeliver", status_code=202, operation_id="redeliverSince", responses=SEND)
async def redeliver_since(
    webhook_id: UUID, body: RedeliveryRequest, grant: WebhooksTeller, context: ContextDep
) -> RedeliveryBody:
    """Send everything again that failed since a time, and what happened while the webhook was disabled."""
    await _find(context, grant, webhook_id)
    try:
        count = await redelivering.redeliver_since(context.db, webhook_id, body.since)
    except redelivering.WebhookDisabledError:
        raise _disabled() from None
    return RedeliveryBody(count=count)


def _told(delivery: Delivery | None) -> DeliveryBody:
    if delivery is None:
        raise not_found("delivery")
    return DeliveryBody.of(delivery)
