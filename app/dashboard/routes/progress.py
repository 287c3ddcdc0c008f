"""The end user's page: how far an order is, for whoever has its address, and nothing else of it.

It needs no sign-in and is there without the dashboard, too. Its address is signed: what we have not made
costs no look into the database, and cannot be told from an order that is not there.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.admission import Admission
from app.api.context import PROGRESS, Context, ContextDep
from app.api.problems.kinds import not_found
from app.api.problems.problem import Problem
from app.dashboard.desk import Desk, desk_of
from app.dashboard.page import OpenPage
from app.dashboard.routes.static import FOR_A_YEAR, file_of
from app.dashboard.streams import ChangeStream
from app.dashboard.words import site_address, web_address
from app.events.reading import Interest, read_events
from app.events.types import EventType
from app.keys.grants import Grant
from app.orders.reading import OrderView, find_order
from app.states import FINAL, OrderStatus

FILES = {"progress.css", "app.js", "idiomorph.js", "icon.svg"}
MOST_STREAMS = 20
"""So many may look at one page at a time and see it change by itself; the others reload it."""
READER = Grant("progress page", "progress page", frozenset())
"""Whoever looks at such a page. All together have one key's share of the connections."""


class _Counted(ChangeStream):
    """A stream that is counted while it is open."""

    def __init__(self, *arguments: Any, counts: Counter[UUID], **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        order_id = self._interest.order_id
        if order_id is None:
            return
        self._counts[order_id] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._counts[order_id] -= 1
            if not self._counts[order_id]:
                del self._counts[order_id]


class ProgressPage(OpenPage):
    """A page for end users, who are told nothing of the service."""

    def tell(self, desk: Desk, request: Request, problem: Problem) -> Response:
        """Say that there is no such page, or that it cannot be shown now."""
        return _shown(desk, request, status=problem.status, step=None, problem=problem.status)


router = APIRouter(prefix=PROGRESS, route_class=ProgressPage, include_in_schema=False)


@dataclass(frozen=True)
class Step:
    """A step on the way, and whether it is done, under way or yet to come."""

    title: str
    state: str


def steps(status: OrderStatus, *, is_paid_for: bool) -> list[Step]:
    """Return the steps of an order; paying is one where a payment was asked for."""
    titles = ["Ordered", *(["Paid"] if is_paid_for else []), "Being built", "Ready"]
    # How many are done: the one after is under way.
    if status == OrderStatus.COMPLETED:
        done = len(titles)
    elif status == OrderStatus.PROVISIONING:
        done = len(titles) - 2
    else:
        done = 1 if status == OrderStatus.AWAITING_PAYMENT else 0
    if status in {OrderStatus.FAILED, OrderStatus.CANCELLED}:
        return [Step(titles[0], "done"), *(Step(title, "never") for title in titles[1:])]
    # It is ordered whatever is done about it, and the next step is under way.
    done = max(done, 1)
    return [
        Step(title, "done" if place < done else "now" if place == done else "later")
        for place, title in enumerate(titles)
    ]


def sentence(status: OrderStatus) -> str:
    """Say how it is, to who knows nothing of orders and tasks."""
    match status:
        case OrderStatus.AWAITING_PAYMENT:
            return "Your site is ordered. It is built once it is paid."
        case OrderStatus.PROVISIONING:
            return "Your site is being built. This takes a few minutes."
        case OrderStatus.COMPLETED:
            return "Your site is ready."
        case OrderStatus.FAILED:
            return "Your site could not be built."
        case OrderStatus.CANCELLED:
            return "This order is cancelled."
        case _:
            return "Your order is here. It is being passed on."


def _order_id(context: Context, address: str) -> UUID:
    order_id = context.progress_addresses.order_id(address)
    if order_id is None:
        raise not_found("page")
    return order_id


async def _find(context: Context, address: str) -> tuple[OrderView, bool]:
    """Return the order of a page, and whether a payment was ever asked for.

    Raises:
        Problem: 404, if there is no such page, or nothing personal of the order is left.
    """
    order_id = _order_id(context, address)
    await context.require_migrated()
    paying = Interest(order_id, frozenset({EventType.PAYMENT_REQUIRED}))
    async with context.db.read() as session:
        view = await find_order(session, order_id)
        is_paid_for = bool(await read_events(session, paying, after=0, limit=1))
    if view is None or view.order.progress_url is None:
        raise not_found("page")
    return view, is_paid_for


@router.get("/static/{name}")
async def asset(name: str, request: Request) -> Response:
    """Return a file that the page loads."""
    desk = desk_of(request)
    if name == "brand.css":
        headers = {"Cache-Control": FOR_A_YEAR}
        return Response(desk.brand.styles, media_type="text/css", headers=headers)
    if name not in FILES:
        raise HTTPException(404)
    return file_of(desk, request, name)


@router.get("/{address}")
async def progress(address: str, request: Request, context: ContextDep) -> Response:
    """Show how far the order is."""
    view, is_paid_for = await _find(context, address)
    status = OrderStatus(view.order.status)
    domain = (view.site.details or {}).get("primary_domain") if view.site is not None else None
    is_done = status == OrderStatus.COMPLETED
    return _shown(
        desk_of(request),
        request,
        step=steps(status, is_paid_for=is_paid_for),
        sentence=sentence(status),
        is_over=status in {OrderStatus.FAILED, OrderStatus.CANCELLED},
        payment=web_address(view.order.payment_url) if status == OrderStatus.AWAITING_PAYMENT else None,
        site=site_address(domain) if is_done else None,
        domain=domain if is_done else None,
        stream=None if status in FINAL else f"{request.url.path}/stream",
    )


@router.get("/{address}/stream")
async def stream(address: str, request: Request, context: ContextDep) -> Response:
    """Tell the page when to look again."""
    view, _ = await _find(context, address)
    desk = desk_of(request)
    order_id = view.order.id
    if view.order.status in FINAL or desk.watched[order_id] >= MOST_STREAMS:
        return Response(status_code=204)

    async def still() -> Grant:
        return READER

    return _Counted(
        context.feed,
        Interest(order_id),
        Admission(READER, still),
        after=None,
        heartbeat_seconds=context.heartbeat_seconds,
        is_over=False,
        shares=context.shares,
        counts=desk.watched,
    )


def _shown(desk: Desk, request: Request, *, status: int = 200, step: object, **values: object) -> Response:
    given = {"problem": None, "sentence": "", "is_over": False, "payment": None, "site": None, "domain": None}
    brand = desk.brand
    images = f"'self' {brand.logo_origin}".strip()
    return desk.render(
        request,
        "progress.html",
        status=status,
        headers={
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
            f"img-src {images}; connect-src 'self'; form-action 'none'; base-uri 'none'; "
            "frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Robots-Tag": "noindex",
        },
        # A payment's address is in it, which may be as good as a password.
        is_secret=True,
        **{**given, "stream": None, "step": step, "brand": brand, **values},
    )
