"""One order: what it waits for, what has happened, its site, and what can be done about it."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.api.auth import AdmissionDep, CloudPressDep, OrdersEraser, OrdersReader, OrdersWriter
from app.api.bodies.orders import AdoptRequest, VerdictRequest
from app.api.context import ContextDep, require_migrated
from app.api.routes.orders import operating
from app.api.routes.orders.suspecting import list_suspects
from app.api.visible import find_visible
from app.dashboard.comparing import compare, leads_to
from app.dashboard.desk import desk_of
from app.dashboard.forms import Form, FormDep, as_body
from app.dashboard.page import Page, back_to
from app.dashboard.timeline import Told, timeline
from app.events.reading import Interest, gone_through, read_events
from app.keys.grants import Grant
from app.keys.grants import Scope as KeyScope
from app.orders.handing_over import is_mixed_up
from app.orders.reading import OrderView
from app.orders.representation import OrderBody
from app.orders.resolvable import is_not_sent, may_never_go_on
from app.orders.shown import may_be_dismissed
from app.states import FINAL, OrderStatus, Suspicion
from app.webhooks.deliveries import find_deliveries_of

EVENTS = 200
COUNT = re.compile("[0-9]{1,6}")
WAIT = "wait=4"
"""How long a button waits for the outcome; what comes later the page shows when it does."""
DONE = {
    "cancel": "The wish to cancel is stored; what comes of it is shown here.",
    "refresh": "A worker looks at the order now.",
    "adopt": "The order is that CloudPress order from now on.",
    "place_again": "The order is placed again, unless something has come up that speaks against it.",
    "fail": "The order is given up.",
    "dismiss_duplicates": "What was suspected is suspected no more.",
    "erase": "What was personal of this order is gone.",
    "orphan": "An order is made of the orphan, and followed from now on.",
}

DISMISSED_HERE = {Suspicion.CANDIDATE, Suspicion.SUSPECT, Suspicion.DUPLICATE, Suspicion.ORPHAN}
"""What is no more suspected of the order by a word about it."""

router = APIRouter(
    prefix="/ui/orders/{order_id}",
    route_class=Page,
    include_in_schema=False,
    dependencies=[Depends(require_migrated)],
)


@router.get("")
async def order(
    order_id: UUID,
    request: Request,
    grant: OrdersReader,
    context: ContextDep,
    after: Annotated[int, Query(ge=0, le=10**18)] = 0,
    done: Annotated[str | None, Query(max_length=30)] = None,
) -> Response:
    """Show an order."""
    view = await find_visible(context, grant, order_id)
    shown = await context.show(view)
    async with context.db.read() as session:
        events = await read_events(session, Interest(order_id), after=after, limit=EVENTS + 1)
        are_gone = await gone_through(session, Interest(order_id)) > after
        told: list[Told] = []
        if KeyScope.WEBHOOKS_WRITE in grant.scopes:
            found = await find_deliveries_of(
                session, [event.id for event in events], account_ids=grant.account_ids
            )
            told = [Told(delivery, url) for delivery, url in found]
    page = events[:EVENTS]
    return desk_of(request).render(
        request,
        "order.html",
        order=shown,
        headline=headline(shown),
        entries=timeline(page, view.tasks if not after else (), told),
        later=page[-1].id if len(events) > EVENTS else None,
        after=after,
        are_gone=are_gone,
        can=possible(grant, view),
        said=DONE.get(done or ""),
    )


def headline(order: OrderBody) -> str:
    """Say in a sentence how an order is: what it waits for, or how it ended."""
    if order.erased_at is not None:
        return "What was personal of this order is erased."
    if order.waiting_for is not None:
        return order.waiting_for.detail
    if order.error is not None:
        return order.error.detail
    if order.status == OrderStatus.COMPLETED:
        return "The site is finished."
    return OrderStatus(order.status).sentence


def possible(grant: Grant, view: OrderView) -> set[str]:
    """Return what can be done about an order by a key. The API says the last word."""
    order = view.order
    can = set()
    if KeyScope.ORDERS_ERASE in grant.scopes and order.status in FINAL and order.erased_at is None:
        can.add("erase")
    if KeyScope.ORDERS_WRITE not in grant.scopes:
        return can
    if order.status not in FINAL:
        can |= {"refresh"} | ({"cancel"} if order.cancel_requested_at is None else set())
    waits_for_word = order.status == OrderStatus.UNCONFIRMED or order.suspected_duplicates
    if waits_for_word or is_not_sent(order) or may_never_go_on(order) or may_be_dismissed(order):
        can.add("resolve")
    return can


@router.post("/cancel")
async def cancel(
    order_id: UUID, grant: OrdersWriter, admission: AdmissionDep, context: ContextDep
) -> Response:
    """Cancel the order, as `DELETE /v1/orders/{id}` does."""
    await operating.cancel_order(order_id, Response(), grant, admission, context, WAIT)
    return back_to(f"/ui/orders/{order_id}", "cancel")


@router.post("/refresh")
async def refresh(order_id: UUID, grant: OrdersWriter, context: ContextDep) -> Response:
    """Have the order looked at now, as `POST /v1/orders/{id}/refresh` does."""
    await operating.refresh_order(order_id, grant, context)
    return back_to(f"/ui/orders/{order_id}", "refresh")


@router.post("/erase")
async def erase(order_id: UUID, grant: OrdersEraser, context: ContextDep) -> Response:
    """Erase what is personal of the order, as `DELETE /v1/orders/{id}/data` does."""
    await operating.erase_order_data(order_id, grant, context)
    return back_to(f"/ui/orders/{order_id}", "erase")


@router.get("/resolve")
async def resolving(
    order_id: UUID,
    request: Request,
    reader: OrdersReader,
    grant: OrdersWriter,
    context: ContextDep,
    cloudpress: CloudPressDep,
) -> Response:
    """Ask what becomes of the order, and say what each answer leads to."""
    del reader
    view = await find_visible(context, grant, order_id)
    shown = await context.show(view)
    found = await list_suspects(order_id, request, grant, context, cloudpress)
    return desk_of(request).render(
        request,
        "resolve.html",
        order=shown,
        is_unconfirmed=view.order.status == OrderStatus.UNCONFIRMED,
        is_not_sent=is_not_sent(view.order),
        may_never_go_on=may_never_go_on(view.order),
        is_mixed_up=is_mixed_up(view.order),
        suspects=[(each, compare(shown, each), leads_to(each)) for each in found.data],
        left_out=found.left_out,
        others=found.others,
        callbacks=found.callbacks,
        seen={
            "suspects": [*(each.cloudpress_order_id for each in found.data), *found.others],
            "callbacks": found.callbacks,
        },
        can_dismiss=any(each.code in DISMISSED_HERE for each in found.data) or may_be_dismissed(view.order),
    )


@router.post("/resolve")
async def resolve(
    order_id: UUID, grant: OrdersWriter, admission: AdmissionDep, context: ContextDep, form: FormDep
) -> Response:
    """Do what was decided, as `POST /v1/orders/{id}/resolve` does."""
    action = form.get("action")
    if action == "adopt":
        body: AdoptRequest | VerdictRequest = as_body(
            AdoptRequest, action=action, cloudpress_order_id=form.get("cloudpress_order_id")
        )
    else:
        body = _verdict(form)
    await operating.resolve_order(order_id, body, Response(), grant, admission, context, WAIT)
    return back_to(f"/ui/orders/{order_id}", body.action)


def _verdict(form: Form) -> VerdictRequest:
    """Return what was decided, with what the page had shown: also where that was nothing."""
    callbacks = form.get("callbacks")
    body = as_body(
        VerdictRequest,
        action=form.get("action"),
        suspects=form.all("suspects"),
        callbacks=int(callbacks) if callbacks and COUNT.fullmatch(callbacks) else callbacks,
    )
    if body.callbacks is not None and body.suspects is None:
        body.suspects = []
    return body
