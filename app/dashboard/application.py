"""Puts the pages into the application."""

from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from app.api.auth import AdmissionDep, OrdersReader
from app.api.context import Context, ContextDep, require_migrated
from app.api.shared_routes import shared_routes
from app.api.visible import find_visible
from app.dashboard.desk import Desk
from app.dashboard.page import OpenPage, Page
from app.dashboard.routes import (
    accounts,
    doctor,
    happenings,
    keys,
    order,
    orders,
    orphans,
    overview,
    progress,
    signing_in,
    static,
    webhooks,
)
from app.dashboard.streams import ChangeStream
from app.events.reading import Interest

streams = APIRouter(route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)])
slash = APIRouter(route_class=OpenPage, include_in_schema=False)
last = APIRouter(route_class=Page, include_in_schema=False)


@last.get("/ui/{rest:path}")
async def nothing(request: Request) -> Response:
    """Say that there is no such page, to who has signed in."""
    del request
    raise HTTPException(404)


@slash.get("/ui/")
async def ends_with_a_slash() -> Response:
    """Lead to where the pages begin, which a person may well end with a slash."""
    return RedirectResponse("/ui", 308)


@streams.get("/ui/stream")
async def stream(
    grant: OrdersReader, admission: AdmissionDep, context: ContextDep, order_id: UUID | None = None
) -> Response:
    """Tell a page when to look again: something has happened, to an order if one is named."""
    if order_id is not None:
        await find_visible(context, grant, order_id)
    interest = Interest(order_id, account_ids=grant.account_ids)
    return ChangeStream(
        context.feed,
        interest,
        admission,
        after=None,
        heartbeat_seconds=context.heartbeat_seconds,
        is_over=False,
        shares=context.shares,
    )


ROUTERS = (
    static.router,
    signing_in.router,
    slash,
    streams,
    overview.router,
    orders.router,
    order.router,
    orphans.router,
    webhooks.router,
    accounts.router,
    keys.router,
    doctor.router,
    happenings.router,
    last,
)
_PUBLIC = shared_routes(progress.router)
_PAGES = shared_routes(*ROUTERS)


def install(app: FastAPI, context: Context) -> None:
    """Add the pages to the API's application, behind all that stands around that.

    What end users see is there without the dashboard, too.
    """
    app.state.desk = Desk(context)
    app.router.routes += _PUBLIC
    if context.settings.dashboard != "off":
        app.router.routes += _PAGES
