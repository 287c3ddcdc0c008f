"""The sandbox's own API under `/sandbox`: what goes on, and faults on demand. It asks for no key."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field

from app.sandbox.callbacks import BODIES
from app.sandbox.faults import FAULTS, FaultError, FaultPlan, parse_list_faults, parse_order_faults
from app.sandbox.parts import Parts, PartsDep
from app.sandbox.state import Order


class Faults(BaseModel):
    """Faults to be had: by rate, for the next order, for the list of orders."""

    model_config = ConfigDict(extra="forbid")

    rates: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    next: list[str] | None = None
    reads: list[str] | None = None


class OrderFaults(BaseModel):
    """Faults of one order."""

    model_config = ConfigDict(extra="forbid")

    faults: list[str]


class Finish(BaseModel):
    """How a task ends."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["OK", "FAILED", "CANCELLED"] = "OK"


class Token(BaseModel):
    """A token that CloudPress accepts from now on, and whose it is."""

    model_config = ConfigDict(extra="forbid")

    token: str
    account_id: str


class SendCallback(BaseModel):
    """A callback to be sent now."""

    model_config = ConfigDict(extra="forbid")

    body: str = "task"
    forged: bool = False


router = APIRouter(prefix="/sandbox", tags=["sandbox"])


def _known(parts: Parts, order_id: str) -> Order:
    order = parts.state.orders.get(order_id)
    if order is None:
        raise HTTPException(404, "there is no such order")
    return order


@router.get("/state")
async def show_state(parts: PartsDep) -> dict[str, Any]:
    return {
        "orders": [shown(order) for order in parts.state.orders.values()],
        "requests": parts.state.requests,
        "faults": _shown_plan(parts.plan),
    }


@router.get("/orders")
async def find_orders(parts: PartsDep, site_name: str | None = None) -> dict[str, Any]:
    found = [order for order in parts.state.orders.values() if site_name in {None, order.site_name}]
    return {"count": len(found), "orders": [shown(order) for order in found]}


@router.post("/tokens", status_code=204)
async def accept_token(token: Token, parts: PartsDep) -> Response:
    parts.accounts[token.token] = token.account_id
    return Response(status_code=204)


@router.delete("/tokens/{token}", status_code=204)
async def refuse_token(token: str, parts: PartsDep) -> Response:
    parts.accounts.pop(token, None)
    return Response(status_code=204)


@router.get("/faults")
async def list_faults() -> dict[str, Any]:
    return {name: {"default": value, "does": does} for name, (value, does) in FAULTS.items()}


@router.post("/faults")
async def set_faults(faults: Faults, parts: PartsDep) -> dict[str, Any]:
    try:
        if faults.rates is not None:
            parts.plan.set_rates(faults.rates)
        if faults.next is not None:
            parts.plan.for_next = parse_order_faults(faults.next)
        if faults.reads is not None:
            parts.plan.for_reads = parse_list_faults(faults.reads)
    except FaultError as error:
        raise HTTPException(422, str(error)) from None
    return _shown_plan(parts.plan)


@router.delete("/faults")
async def clear_faults(parts: PartsDep) -> dict[str, Any]:
    parts.plan.rates, parts.plan.for_next, parts.plan.for_reads = {}, {}, {}
    return _shown_plan(parts.plan)


@router.post("/orders/{order_id}/faults")
async def set_order_faults(order_id: str, faults: OrderFaults, parts: PartsDep) -> dict[str, Any]:
    order = _known(parts, order_id)
    try:
        order.faults |= parse_order_faults(faults.faults)
    except FaultError as error:
        raise HTTPException(422, str(error)) from None
    return shown(order)


@router.post("/orders/{order_id}/pay")
async def pay(order_id: str, parts: PartsDep) -> dict[str, Any]:
    order = _known(parts, order_id)
    if order.payment_url is None:
        raise HTTPException(409, "there is nothing to pay")
    parts.work.begin(order)
    return shown(order)


@router.post("/orders/{order_id}/decline")
async def decline(order_id: str, parts: PartsDep) -> dict[str, Any]:
    order = _known(parts, order_id)
    if order.payment_url is None:
        raise HTTPException(409, "there is nothing to decline")
    parts.work.end(order, "CANCELLED")
    return shown(order)


@router.post("/orders/{order_id}/finish")
async def finish(order_id: str, finish: Finish, parts: PartsDep) -> dict[str, Any]:
    order = _known(parts, order_id)
    if order.is_final:
        raise HTTPException(409, f"the task is {order.task.status} already")
    parts.work.end(order, finish.status)
    return shown(order)


@router.post("/orders/{order_id}/callback")
async def send_callback(order_id: str, callback: SendCallback, parts: PartsDep) -> Response:
    order = _known(parts, order_id)
    if callback.body not in {"task", *BODIES}:
        raise HTTPException(422, f"body must be task or one of {', '.join(BODIES)}")
    if order.callback_url is None:
        raise HTTPException(409, "the order asked for no callback")
    taken = await parts.work.sender.send(order, forged=callback.forged, shape=callback.body)
    return Response(status_code=200 if taken else 502)


def shown(order: Order) -> dict[str, Any]:
    """Show an order without its secrets."""
    return {
        "id": order.id,
        "account_id": order.account_id,
        "site_name": order.site_name,
        "status": order.status,
        "task": {"id": order.task.id, "status": order.task.status},
        "site_id": order.site.id if order.site else None,
        "payment_url": order.payment_url,
        "faults": order.faults,
        "callbacks": [
            {"at": sent.at.isoformat(), "status": sent.status, "forged": sent.forged}
            for sent in order.callback_tries
        ],
    }


def _shown_plan(plan: FaultPlan) -> dict[str, Any]:
    return {"rates": plan.rates, "next": plan.for_next, "reads": plan.for_reads}
