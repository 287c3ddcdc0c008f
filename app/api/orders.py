"""Orders: place one, read one, read its site's credentials."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response

from app.api.auth import ClientDep
from app.api.context import ContextDep, require_migrated
from app.api.problems import Problem, documented
from app.api.schemas import CredentialsBody, OrderBody, OrderRequest
from app.api.waiting import preferred_wait_seconds, wait_until
from app.models import Order
from app.orders import (
    Idempotency,
    IdempotencyConflictError,
    OrderView,
    create_order,
    find_order,
    read_credentials,
)
from app.states import FINAL

REJECTED = "rejected"

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[Depends(require_migrated)])


def _is_placed_or_final(order: Order) -> bool:
    return order.cloudpress_order_id is not None or order.status in FINAL


@router.post(
    "",
    status_code=201,
    operation_id="placeOrder",
    responses={
        202: {"model": OrderBody, "description": "Accepted; CloudPress has not confirmed it yet"},
        **documented(400, 401, 409, 413, 415, 422, 503),
    },
)
async def place_order(
    body: OrderRequest,
    response: Response,
    client: ClientDep,
    context: ContextDep,
    prefer: Annotated[str | None, Header()] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> OrderBody:
    """Order a site. The order is stored before CloudPress hears of it, so it is never lost."""
    new = body.to_new_order(context.settings.cloudpress_account_id)
    if new.account_id != context.settings.cloudpress_account_id:
        field = {"field": "account_id", "detail": "No API token is configured for this account."}
        raise Problem(422, "invalid-request", "Some fields are missing or not acceptable.", errors=[field])
    key = Idempotency(client.identity, idempotency_key) if idempotency_key else None
    try:
        order = await create_order(context.db, new, key)
    except IdempotencyConflictError:
        raise Problem(
            409, "idempotency-conflict", "This Idempotency-Key was used for another order. Use a new one."
        ) from None
    view = await wait_until(
        context, OrderView(order, (), None), preferred_wait_seconds(prefer), _is_placed_or_final
    )
    location = f"/v1/orders/{order.id}"
    if view.order.error_code == REJECTED:
        raise _rejection(view.order, location)
    response.status_code = 201 if _is_placed_or_final(view.order) else 202
    response.headers["Location"] = location
    return OrderBody.of(view)


def _rejection(order: Order, location: str) -> Problem:
    return Problem(
        422,
        "order-rejected",
        order.error_detail or "CloudPress refused the order.",
        headers={"Location": location},
        errors=order.error_reasons or [],
        order_id=str(order.id),
    )


def order_not_found() -> Problem:
    return Problem(404, "not-found", "There is no such order.")


@router.get("/{order_id}", operation_id="getOrder", responses=documented(401, 404, 422, 503))
async def get_order(order_id: UUID, _client: ClientDep, context: ContextDep) -> OrderBody:
    """Read an order."""
    async with context.db.read() as session:
        view = await find_order(session, order_id)
    if view is None:
        raise order_not_found()
    return OrderBody.of(view)


@router.get(
    "/{order_id}/credentials", operation_id="getCredentials", responses=documented(401, 404, 422, 503)
)
async def get_credentials(
    order_id: UUID, response: Response, client: ClientDep, context: ContextDep
) -> CredentialsBody:
    """Read how to log in to a finished site. That it was read is recorded in the order's timeline."""
    credentials = await read_credentials(context.db, order_id, reader=client.identity)
    if credentials is None:
        raise Problem(404, "not-found", "There is no such order, or its site is not finished yet.")
    response.headers["Cache-Control"] = "no-store"
    return CredentialsBody.of(credentials)
