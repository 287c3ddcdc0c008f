"""What operators need: an order's timeline, and the last word about one whose placement is unknown."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response

from app.api.auth import ClientDep
from app.api.context import CannotAsk, Context, ContextDep, require_migrated
from app.api.orders import order_not_found
from app.api.problems import Problem, documented
from app.api.schemas import EventBody, EventList, OrderBody, ResolveRequest
from app.api.waiting import preferred_wait_seconds, wait_until
from app.orders import NotResolvableError, OrderView, find_events, find_order, wish_resolution

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[Depends(require_migrated)])


@router.get("/{order_id}/events", operation_id="listOrderEvents", responses=documented(401, 404, 422, 503))
async def list_events(
    order_id: UUID,
    _client: ClientDep,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str, Query(pattern=r"^[0-9]{1,18}$")] = "0",
) -> EventList:
    """Read what happened to an order, the oldest first."""
    async with context.db.read() as session:
        events = await find_events(session, order_id, after=int(cursor), limit=limit + 1)
    if events is None:
        raise order_not_found()
    page = [EventBody.model_validate(event, from_attributes=True) for event in events[:limit]]
    return EventList(data=page, next_cursor=str(page[-1].id) if len(events) > limit else None)


@router.post(
    "/{order_id}/resolve",
    operation_id="resolveOrder",
    responses={
        202: {"model": OrderBody, "description": "Stored; it is being done"},
        **documented(401, 404, 409, 415, 422, 502, 503),
    },
)
async def resolve_order(
    order_id: UUID,
    body: ResolveRequest,
    response: Response,
    client: ClientDep,
    context: ContextDep,
    prefer: Annotated[str | None, Header()] = None,
) -> OrderBody:
    """Say what becomes of an unconfirmed order: adopt a CloudPress order, place it again, or fail it."""
    async with context.db.read() as session:
        view = await find_order(session, order_id)
    if view is None:
        raise order_not_found()
    if body.cloudpress_order_id is not None:
        await _check_adoption(context, view, body.cloudpress_order_id)
    try:
        order = await wish_resolution(
            context.db,
            order_id,
            action=body.action,
            cloudpress_order_id=body.cloudpress_order_id,
            by=client.identity,
        )
    except NotResolvableError as error:
        raise Problem(409, "not-resolvable", str(error)) from None
    if order is None:
        raise order_not_found()
    view = await wait_until(
        context,
        OrderView(order, view.tasks, view.site),
        preferred_wait_seconds(prefer),
        lambda seen: seen.resolution is None,
    )
    response.status_code = 200 if view.order.resolution is None else 202
    return OrderBody.of(view)


async def _check_adoption(context: Context, view: OrderView, cloudpress_order_id: str) -> None:
    try:
        known = await context.cloudpress_has(view.order.account_id, cloudpress_order_id)
    except CannotAsk:
        raise Problem(502, "cloudpress-away", "CloudPress could not be asked. Try again later.") from None
    if not known:
        raise Problem(409, "not-resolvable", "The order's CloudPress account has no such order.")
