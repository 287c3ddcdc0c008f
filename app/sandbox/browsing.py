"""The routes that a browser visits."""

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.sandbox import pages
from app.sandbox.parts import PartsDep
from app.sandbox.state import Order

router = APIRouter(include_in_schema=False)


@router.get("/")
async def overview(parts: PartsDep) -> HTMLResponse:
    return HTMLResponse(pages.overview(parts.state))


@router.get("/pay/{order_id}")
async def show_payment(order_id: str, parts: PartsDep) -> Response:
    order = parts.state.orders.get(order_id)
    if order is None:
        return HTMLResponse(pages.message("Unknown order", "There is nothing to pay here."), 404)
    if order.payment_url is None:
        return _nothing_to_pay(order)
    return HTMLResponse(pages.payment(order))


@router.post("/pay/{order_id}/pay")
async def pay(order_id: str, parts: PartsDep) -> Response:
    order = parts.state.orders.get(order_id)
    if order is not None and order.payment_url:
        parts.work.begin(order)
    paid = order is not None and order.status != "cancelled"
    return _onwards(order, "Thank you", "Your site is being made.", done=paid)


@router.post("/pay/{order_id}/decline")
async def decline(order_id: str, parts: PartsDep) -> Response:
    order = parts.state.orders.get(order_id)
    if order is not None and order.payment_url:
        parts.work.end(order, "CANCELLED")
    declined = order is not None and order.status == "cancelled"
    return _onwards(order, "Declined", "The order was cancelled.", done=declined)


def _nothing_to_pay(order: Order) -> Response:
    return HTMLResponse(pages.message("Nothing to pay", f"This order is {order.status}."))


def _onwards(order: Order | None, title: str, text: str, *, done: bool) -> Response:
    """Send the browser on to where the order wanted it, if the click did what it says or one before it had.

    (provider page: `return_url`)
    """
    if order is None:
        return HTMLResponse(pages.message("Unknown order", "There is nothing to pay here."), 404)
    if not done:
        return _nothing_to_pay(order)
    if order.return_url:
        return RedirectResponse(order.return_url, 303)
    return HTMLResponse(pages.message(title, text))
