"""Orders: place one, read one, wait for it to change, read its site's credentials."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.api.auth import AdmissionDep, CredentialsReader, OrdersReader, OrdersWriter
from app.api.bodies.credentials import CredentialsBody
from app.api.bodies.orders import OrderRequest
from app.api.context import Context, ContextDep, require_migrated
from app.api.etags import etag_of, matches
from app.api.middleware.head import is_head, spares_body
from app.api.problems.documented import documented
from app.api.problems.kinds import busy, invalid_field, unauthorized
from app.api.problems.problem import Problem
from app.api.routes.accounts import require_account
from app.api.routes.catalog import check_against_catalog
from app.api.visible import find_visible
from app.api.waiting import (
    MAX_WAIT_SECONDS,
    Prefer,
    preferred_wait_seconds,
    tell_applied,
    wait_until,
)
from app.db.models import Order
from app.keys.grants import Grant
from app.orders.intake import (
    AccountGoneError,
    Idempotency,
    IdempotencyConflictError,
    find_repeated,
    fingerprint_of,
)
from app.orders.reading import OrderView, find_credentials, read_credentials
from app.orders.representation import OrderBody
from app.queue.group_commit import TooManyWaitingError
from app.states import FINAL, ErrorCode, OrderStatus
from app.telemetry import tracing

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[Depends(require_migrated)])
callback_router = APIRouter()


@callback_router.post(
    "/v1/callbacks/{$response.body#/id}",
    status_code=204,
    response_description="Stored",
    summary="CloudPress calls back",
    operation_id="cloudPressCallsBack",
    responses=documented(401, 413, 503),
    openapi_extra={
        "requestBody": {
            "description": "Whatever CloudPress tells of the task. It is kept, and never believed.",
            "content": {"application/json": {"schema": {}}},
        }
    },
)
async def cloudpress_calls_back(
    _authorization: Annotated[
        str,
        Header(
            alias="Authorization",
            description="The order's own value, which Presshook gave CloudPress with the order.",
        ),
    ],
) -> None:
    """CloudPress sends this to `PUBLIC_URL/v1/callbacks/{order_id}` once the order's task is final.

    Presshook chose the address and the `Authorization` value when it placed the order; a client has nothing
    to do with it.
    """


def is_placed_or_final(order: Order) -> bool:
    """Tell whether the outcome of placing is known."""
    return order.cloudpress_order_id is not None or order.status in FINAL


@router.post(
    "",
    status_code=201,
    operation_id="placeOrder",
    responses={
        202: {"model": OrderBody, "description": "Accepted; CloudPress has not confirmed it yet"},
        **documented(400, 401, 403, 409, 413, 415, 422, 503),
    },
    callbacks=callback_router.routes,
)
async def place_order(
    body: OrderRequest,
    response: Response,
    grant: OrdersWriter,
    admission: AdmissionDep,
    context: ContextDep,
    prefer: Prefer = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="The same key and body are the same order.",
        ),
    ] = None,
) -> OrderBody:
    """Order a site. The order is stored before CloudPress hears of it, so it is never lost."""
    key = None
    if idempotency_key:
        key = Idempotency(grant.identity, idempotency_key, fingerprint_of(body.told()))
    try:
        order = await _accept(context, grant, body, key)
    except IdempotencyConflictError:
        raise Problem(
            409, "idempotency-conflict", "This Idempotency-Key was used for another order. Use a new one."
        ) from None
    view = OrderView(order, (), None)
    wait_seconds = preferred_wait_seconds(prefer)
    # Nothing is known of an order that waits to be placed but its row, and that was read just now.
    if wait_seconds > 0 or order.status is not OrderStatus.PENDING:
        view = await wait_until(context, admission, view, wait_seconds, is_placed_or_final)
    location = f"/v1/orders/{order.id}"
    if view.order.error_code == ErrorCode.REJECTED:
        raise _rejection(view.order, location)
    response.status_code = 201 if is_placed_or_final(view.order) else 202
    response.headers["Location"] = location
    tell_applied(response, prefer)
    return await context.show(view)


async def _accept(context: Context, grant: Grant, body: OrderRequest, key: Idempotency | None) -> Order:
    """Store an order, or find the one that the idempotency key stands for, whatever has changed since."""
    repeated = await find_repeated(context.db, key) if key else None
    if repeated is not None:
        return repeated
    account_id, is_stored = await require_account(context, grant, body.account_id)
    check_against_catalog(context, account_id, body.site)
    new = body.to_new_order(account_id, account_is_stored=is_stored, by=grant.actor)
    new = replace(
        new,
        traceparent=tracing.current(),
        progress_url=context.progress_url if body.progress_page else None,
    )
    try:
        return await context.intake.create(new, key)
    except TooManyWaitingError:
        raise busy() from None
    except AccountGoneError:
        raise invalid_field("account_id", "The account was deleted just now.") from None


def _rejection(order: Order, location: str) -> Problem:
    return Problem(
        422,
        "order-rejected",
        order.error_detail or "CloudPress refused the order.",
        headers={"Location": location},
        errors=order.error_reasons or [],
        order_id=str(order.id),
    )


@router.get(
    "/{order_id}",
    operation_id="getOrder",
    response_model=OrderBody,
    responses={304: {"description": "The order is as the ETag says"}, **documented(401, 403, 404, 422, 503)},
)
async def get_order(
    order_id: UUID,
    request: Request,
    response: Response,
    grant: OrdersReader,
    admission: AdmissionDep,
    context: ContextDep,
    wait: Annotated[
        float | None,
        Query(
            ge=0,
            le=MAX_WAIT_SECONDS,
            allow_inf_nan=False,
            description="Seconds to wait for the order to differ from `If-None-Match`, or to change if that "
            "is not given. A final order is answered at once.",
        ),
    ] = None,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            max_length=1024,
            description="The ETag of the order as the client knows it.",
        ),
    ] = None,
) -> OrderBody | Response:
    """Read an order, or wait until it changes."""
    view = await find_visible(context, grant, order_id)
    body = await context.show(view)
    known = if_none_match if if_none_match is not None else etag_of(body)
    if wait and not is_head(request.scope) and matches(known, etag_of(body)):
        view = await wait_until(
            context,
            admission,
            view,
            wait,
            lambda order: order.status in FINAL,
            seen=lambda now: not matches(known, etag_of(OrderBody.of(now))),
        )
        if admission.is_over:
            raise unauthorized()
        body = await context.show(view)
    etag = etag_of(body)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return body


@router.get(
    "/{order_id}/credentials",
    operation_id="getCredentials",
    responses=documented(401, 403, 404, 422, 503),
)
async def get_credentials(
    order_id: UUID, request: Request, grant: CredentialsReader, context: ContextDep
) -> CredentialsBody:
    """Read how to log in to a finished site. That it was read, and by whom, is recorded in the timeline."""
    await find_visible(context, grant, order_id)
    if spares_body(request.scope):  # nothing is read, not even how long the password is
        async with context.db.read() as session:
            credentials = await find_credentials(session, order_id)
    else:
        credentials = await read_credentials(context.db, order_id, reader=grant.actor)
    if credentials is None:
        raise Problem(404, "not-found", "There is no such order, or its site is not finished yet.")
    return CredentialsBody.of(credentials)
