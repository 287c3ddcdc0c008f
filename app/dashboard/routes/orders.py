"""The list of orders: those that need a person first, filters in the address, pages by keyset."""

import re
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, BeforeValidator, Field
from starlette.responses import Response

from app.api.auth import OrdersReader
from app.api.bodies.fields import Line, Moment
from app.api.context import ContextDep, require_migrated
from app.api.routes.orders import listing
from app.dashboard.desk import desk_of
from app.dashboard.forms import Form, as_body
from app.dashboard.page import Page, back_to
from app.orders.representation import OrderBody
from app.states import OrderStatus

ON_A_PAGE = 50
FIRST = 10
"""So many of those that need a person are shown above all others."""
TYPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")

router = APIRouter(
    prefix="/ui", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)


def _in_utc(value: object) -> object:
    """Return what a browser's field for a time holds, which names no zone, as a time in UTC."""
    return f"{value}Z" if isinstance(value, str) and TYPED.fullmatch(value) else value


FieldMoment = Annotated[Moment, BeforeValidator(_in_utc)]


class Filters(BaseModel):
    """Which orders are listed, as the address says."""

    status: list[OrderStatus] = []
    attention: bool = False
    account_id: Line | None = None
    name: Line | None = None
    created_after: FieldMoment | None = None
    created_before: FieldMoment | None = None
    cursor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32}$")] | None = None


def _order_id(name: str | None) -> UUID | None:
    """Return the order that was searched for by its id, None where it is a name."""
    try:
        return None if name is None or len(name) < 32 else UUID(name)
    except ValueError:
        return None


@router.get("/orders")
async def orders(request: Request, grant: OrdersReader, context: ContextDep) -> Response:
    """Show a page of orders."""
    asked = Form(request.query_params.multi_items())
    names = ("attention", "account_id", "name", "created_after", "created_before", "cursor")
    chosen = as_body(Filters, status=asked.all("status"), **{name: asked.get(name) for name in names})
    order_id = _order_id(chosen.name)
    if order_id is not None:
        return back_to(f"/ui/orders/{order_id}")
    found = await listing.list_all(
        grant,
        context,
        status=chosen.status or None,
        attention=chosen.attention or None,
        account_id=None if chosen.account_id is None else [chosen.account_id],
        site_name=chosen.name,
        created_after=chosen.created_after,
        created_before=chosen.created_before,
        limit=ON_A_PAGE,
        cursor=chosen.cursor,
    )
    is_filtered = bool(chosen.model_fields_set - {"cursor"})
    first: list[OrderBody] = []
    if not is_filtered and chosen.cursor is None:
        first = (await listing.list_all(grant, context, attention=True, limit=FIRST)).data
    return desk_of(request).render(
        request,
        "orders.html",
        orders=found.data,
        first=first,
        older=_older(asked, names, found.next_cursor),
        is_filtered=is_filtered,
        chosen=chosen,
        shown={name: asked.get(name) or "" for name in names},
        statuses=list(OrderStatus),
    )


def _older(asked: Form, names: tuple[str, ...], cursor: str | None) -> str | None:
    """Return the query of the next page: the same filters, and where it begins."""
    if cursor is None:
        return None
    kept = [("status", status) for status in asked.all("status")]
    kept += [(name, value) for name in names if name != "cursor" and (value := asked.get(name)) is not None]
    return urlencode([*kept, ("cursor", cursor)])
