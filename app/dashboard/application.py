"""Puts the pages into the application."""

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from app.api.context import Context
from app.dashboard.desk import Desk
from app.dashboard.page import Page
from app.dashboard.routes import order, orders, signing_in, static

first = APIRouter(route_class=Page, include_in_schema=False)
last = APIRouter(route_class=Page, include_in_schema=False)


@first.get("/ui")
async def index() -> Response:
    """Lead to the first page."""
    return RedirectResponse("/ui/orders", 303)


@last.get("/ui/{rest:path}")
async def nothing(request: Request) -> Response:
    """Say that there is no such page, to who has signed in."""
    del request
    raise HTTPException(404)


ROUTERS = (static.router, signing_in.router, first, orders.router, order.router, last)


def install(app: FastAPI, context: Context) -> None:
    """Add the dashboard to the API's application, behind all that stands around that."""
    app.state.desk = Desk(context)
    if context.settings.dashboard == "off":
        return
    for router in ROUTERS:
        app.include_router(router)
