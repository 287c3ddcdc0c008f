"""What becomes of an order by somebody's word: cancel, refresh, resolve."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from app.api.auth import AdmissionDep, OrdersEraser, OrdersWriter
from app.api.bodies.orders import AdoptRequest, ResolveRequest
from app.api.context import CannotAsk, Context, ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import not_found
from app.api.problems.problem import Problem
from app.api.visible import find_visible
from app.api.waiting import Prefer, preferred_wait_seconds, tell_applied, wait_until
from app.db.models import Order
from app.keys.grants import Grant
from app.orders.dismissing import dismiss_duplicates
from app.orders.erasing import UnfinishedError, erase_order
from app.orders.reading import OrderView
from app.orders.representation import OrderBody
from app.orders.requests import request_cancel, request_refresh
from app.orders.resolving import NotResolvableError, request_resolution
from app.orders.shown import Shown, UnseenError
from app.states import FINAL, OrderStatus

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[Depends(require_migrated)])


@router.post(
    "/{order_id}/resolve",
    operation_id="resolveOrder",
    responses={
        202: {"model": OrderBody, "description": "Stored; it is being done"},
        **documented(400, 401, 403, 404, 409, 413, 415, 422, 502, 503),
    },
)
async def resolve_order(
    order_id: UUID,
    body: ResolveRequest,
    response: Response,
    grant: OrdersWriter,
    admission: AdmissionDep,
    context: ContextDep,
    prefer: Prefer = None,
) -> OrderBody:
    """Say what becomes of an unconfirmed order: adopt a CloudPress order, place it again, or fail it.

    What is adopted has to be shown by CloudPress, and what its client wants cancelled is not placed again. To
    fail can be said too of a placed order that may never go on (`not_found`, `unanswered`, `site_missing`,
    `foreign_link`, `credentials_refused`, `redirected`, `refused`, `account_unknown`) or that holds another's
    by a mixed-up answer (`suspected_duplicate`), and is done if that is still so; to dismiss, of a final one
    that waits for what cannot be had (`unanswered`, `account_unknown`).

    Or that CloudPress orders which were taken for doubles of an order are none. Whoever says which suspects
    and how many callbacks he has seen is answered 409 (`unseen-news`, with what is new) where there is more.
    """
    view = await find_visible(context, grant, order_id)
    if body.action == "dismiss_duplicates":
        return await _dismiss(context, grant, view, body.shown)
    adopted = body.cloudpress_order_id if isinstance(body, AdoptRequest) else None
    if adopted is not None:
        async with admission.outlasts_it():
            await _check_adoption(context, view, adopted)
    with _telling_why_not():
        order = await request_resolution(
            context.db,
            order_id,
            action=body.action,
            cloudpress_order_id=adopted,
            by=grant.actor,
            shown=body.shown,
        )
    if order is None:
        raise not_found()
    view = await wait_until(
        context,
        admission,
        OrderView(order, view.tasks, view.site),
        preferred_wait_seconds(prefer),
        lambda seen: seen.resolution is None,
    )
    response.status_code = 200 if view.order.resolution is None else 202
    tell_applied(response, prefer)
    held = view.order.cloudpress_order_id or ""
    if adopted is not None and view.order.resolution is None and held.lower() != adopted.lower():
        raise Problem(409, "not-resolvable", "The order could not be that CloudPress order: see its events.")
    return await context.show(view)


@contextmanager
def _telling_why_not() -> Iterator[None]:
    """Answer 409 where what is decided about an order is refused."""
    try:
        yield
    except NotResolvableError as error:
        raise Problem(409, "not-resolvable", str(error)) from None
    except UnseenError as error:
        raise Problem(
            409, "unseen-news", str(error), suspects=error.suspects, callbacks=error.callbacks
        ) from None


async def _dismiss(context: Context, grant: Grant, view: OrderView, shown: Shown) -> OrderBody:
    with _telling_why_not():
        order = await dismiss_duplicates(context.db, view.order.id, by=grant.actor, shown=shown)
    if order is None:
        raise not_found()
    return await context.show(OrderView(order, view.tasks, view.site))


async def _check_adoption(context: Context, view: OrderView, cloudpress_order_id: str) -> None:
    try:
        known = await context.cloudpress.has_order(view.order.account_id, cloudpress_order_id)
    except CannotAsk as error:
        raise Problem(502, "cloudpress-away", f"{error} Try again later.") from None
    if not known:
        raise Problem(409, "not-resolvable", "The order's CloudPress account has no such order.")


@router.delete(
    "/{order_id}",
    operation_id="cancelOrder",
    responses={
        202: {"model": OrderBody, "description": "Stored and followed; the outcome is not known yet"},
        **documented(401, 403, 404, 409, 422, 503),
    },
)
async def cancel_order(
    order_id: UUID,
    response: Response,
    grant: OrdersWriter,
    admission: AdmissionDep,
    context: ContextDep,
    prefer: Prefer = None,
) -> OrderBody:
    """Cancel an order: here if CloudPress has not heard of it, else there, if CloudPress agrees.

    An order whose placement is unknown has to be found first. Where the payment or the completion is
    faster, that is the end of it, and the answer is 409.
    """
    view = await find_visible(context, grant, order_id)
    if view.order.status in FINAL:
        return await _cancelled_or_conflict(context, view)
    order = await request_cancel(context.db, order_id, by=grant.actor)
    if order is None:
        raise not_found()
    view = await wait_until(
        context,
        admission,
        OrderView(order, view.tasks, view.site),
        preferred_wait_seconds(prefer),
        lambda seen: seen.status in FINAL or seen.cancel_refusal is not None,
    )
    tell_applied(response, prefer)
    if view.order.status in FINAL:
        return await _cancelled_or_conflict(context, view)
    if view.order.cancel_refusal is not None:
        raise _cancel_refused(view.order, view.order.cancel_refusal)
    response.status_code = 202
    return await context.show(view)


async def _cancelled_or_conflict(context: Context, view: OrderView) -> OrderBody:
    """Answer for a final order. One that is cancelled is what was wished for, also the second time."""
    if view.order.status != OrderStatus.CANCELLED:
        raise Problem(
            409, "order-final", f"The order is {view.order.status}, and cannot be cancelled any more."
        )
    return await context.show(view)


def _cancel_refused(order: Order, reasons: list[str]) -> Problem:
    return Problem(
        409,
        "cancel-refused",
        f"CloudPress refuses to cancel the order, which is {order.status}.",
        errors=reasons,
    )


@router.delete(
    "/{order_id}/data",
    operation_id="eraseOrder",
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def erase_order_data(order_id: UUID, grant: OrdersEraser, context: ContextDep) -> OrderBody:
    """Erase everything personal of a final order, for good: a tombstone stays, and who asked is recorded.

    Gone are its name, URLs and metadata, its site, what CloudPress told of it and called back with, what
    its events told, and its webhooks' deliveries, also those on their way.
    """
    await find_visible(context, grant, order_id)
    try:
        is_erased = await erase_order(context.db, order_id, by=grant.actor)
    except UnfinishedError as error:
        raise Problem(409, "order-unfinished", str(error)) from None
    if not is_erased:
        raise not_found()
    return await context.show(await find_visible(context, grant, order_id))


@router.post(
    "/{order_id}/refresh",
    status_code=202,
    operation_id="refreshOrder",
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def refresh_order(order_id: UUID, grant: OrdersWriter, context: ContextDep) -> OrderBody:
    """Have an open order looked at now, instead of when it is due."""
    view = await find_visible(context, grant, order_id)
    order = await request_refresh(context.db, order_id, by=grant.actor)
    if order is None:
        raise not_found()
    if order.status in FINAL:
        raise Problem(409, "order-final", f"The order is {order.status}: nothing changes any more.")
    return await context.show(OrderView(order, view.tasks, view.site))
