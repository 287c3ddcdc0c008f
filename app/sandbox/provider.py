"""The API of CloudPress, with its documented checks and errors."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from app.sandbox import wire
from app.sandbox.faults import use_up
from app.sandbox.misbehaviour import dropped, errors, read_fault
from app.sandbox.parts import PartsDep
from app.sandbox.state import Order, State, now

MAX_PAGE = 100
TASKS_LISTED = timedelta(days=3)

T = TypeVar("T")


class ApiError(Exception):
    """A request that CloudPress refuses, with its own texts."""

    def __init__(self, status: int, *texts: str) -> None:
        super().__init__(status)
        self.response = errors(status, *texts)


router = APIRouter(prefix="/api", tags=["CloudPress"])


async def _token_account(request: Request, parts: PartsDep) -> str:
    parts.state.count_request(f"{request.method} {request.scope['route'].path}")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme not in {"Token", "Bearer"} or token not in parts.accounts:
        raise ApiError(401, "Invalid credentials")
    return parts.accounts[token]


async def _account(request: Request, own: Annotated[str, Depends(_token_account)]) -> str:
    asked = request.headers.get("x-auth-account")
    if not asked:
        raise ApiError(400, "Missing X-Auth-Account")
    if asked != own:
        # Inferred: no page says how another's account is refused.
        raise ApiError(403, "This token does not belong to the account")
    return asked


OfToken = Annotated[str, Depends(_token_account)]
OfAccount = Annotated[str, Depends(_account)]


def _orders_of(state: State, account_id: str) -> list[Order]:
    return [order for order in state.orders.values() if order.account_id == account_id]


def _known(order: Order | None, account_id: str) -> Order:
    if order is None or order.account_id != account_id:
        raise ApiError(404, "Not found")
    return order


@router.get("/about")
async def show_about(request: Request, _own: OfToken) -> dict[str, Any]:
    return wire.about(request.headers.get("x-auth-account"))


@router.get("/orders")
async def list_orders(request: Request, account_id: OfAccount, parts: PartsDep) -> Response:
    listed = _page(request, _orders_of(parts.state, account_id))
    answer = {"orders": [wire.order_summary(order) for order in listed]}
    fault = await read_fault(request, parts.plan.for_reads, "list", answer)
    return fault or JSONResponse(answer)


@router.get("/orders/{order_id}")
async def show_order(order_id: str, request: Request, account_id: OfAccount, parts: PartsDep) -> Response:
    order = _known(parts.state.orders.get(order_id), account_id)
    answer = wire.order_details(order)
    return await read_fault(request, order.faults, "order", answer) or JSONResponse(answer)


@router.post("/orders")
async def place_order(request: Request, account_id: OfAccount, parts: PartsDep) -> Response:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not JSON") from None
    return await parts.placing.place(request, account_id, body)


@router.delete("/orders/{order_id}")
async def cancel_order(order_id: str, request: Request, account_id: OfAccount, parts: PartsDep) -> Response:
    order = _known(parts.state.orders.get(order_id), account_id)
    for status in ("401", "422", "500"):
        if use_up(order.faults, f"cancel-{status}"):
            raise ApiError(int(status), "A fault on demand")
    if use_up(order.faults, "cancel-crossed"):
        parts.work.finish(order)
    if order.is_final:
        # Inferred: the page says only that it works while the order is in progress.
        raise ApiError(422, "The order is not in progress")
    if "cancel-late" in order.faults:
        parts.work.end_later(order, "CANCELLED", order.faults["cancel-late"])
        return Response(status_code=202)
    parts.work.end(order, "CANCELLED")
    return dropped(request) if use_up(order.faults, "cancel-lost") else Response(status_code=204)


@router.get("/tasks")
async def list_tasks(request: Request, account_id: OfAccount, parts: PartsDep) -> dict[str, Any]:
    recent = [
        order for order in _orders_of(parts.state, account_id) if now() - order.created_at < TASKS_LISTED
    ]
    return {"tasks": [wire.task(order) for order in _page(request, recent)]}


@router.get("/tasks/{task_id}")
async def show_task(task_id: str, request: Request, account_id: OfAccount, parts: PartsDep) -> Response:
    order = _known(parts.state.order_of_task(task_id), account_id)
    answer = {"task": wire.task(order)}
    return await read_fault(request, order.faults, "task", answer) or JSONResponse(answer)


@router.get("/sites/{site_id}")
async def show_site(site_id: str, request: Request, account_id: OfAccount, parts: PartsDep) -> Response:
    order = _known(parts.state.order_of_site(site_id), account_id)
    if order.site is None or now() < order.site.shown_from:
        raise ApiError(404, "Not found")
    answer = {"site": wire.site(order, order.site)}
    return await read_fault(request, order.faults, "site", answer) or JSONResponse(answer)


def _page(request: Request, entries: Sequence[T]) -> Sequence[T]:
    """Return the page that is asked for. (provider page: at most 100; a short page is the last)"""
    try:
        page = max(int(request.query_params.get("page", 1)), 1)
        size = min(max(int(request.query_params.get("per_page", MAX_PAGE)), 1), MAX_PAGE)
    except ValueError:
        raise ApiError(400, "page and per_page must be numbers") from None
    return entries[(page - 1) * size : page * size]
