"""Orphans: what CloudPress has and a restored database has lost, and what becomes of each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.api.auth import OrdersReader, OrdersWriter
from app.api.context import ContextDep, require_migrated
from app.api.routes import orphans as api
from app.api.routes.orphans import OrphanRequest
from app.dashboard.desk import desk_of
from app.dashboard.forms import Form, FormDep, as_body
from app.dashboard.page import Page, back_to

ON_A_PAGE = 50
DONE = {"dismissed": "It is none of ours: orders that waited because of it go on."}
router = APIRouter(
    prefix="/ui/orphans", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)


@router.get("")
async def orphans(
    request: Request,
    grant: OrdersReader,
    context: ContextDep,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
    done: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    """List them."""
    found = await api.list_all(grant, context, ON_A_PAGE, cursor)
    return desk_of(request).render(
        request,
        "orphans.html",
        orphans=found.data,
        searching=found.searching,
        older=found.next_cursor,
        cursor=cursor,
        said=DONE.get(done or ""),
    )


def _meant(form: Form) -> OrphanRequest:
    names = ("account_id", "cloudpress_order_id")
    return as_body(OrphanRequest, **{name: form.get(name) for name in names})


@router.post("/adopt")
async def adopt(grant: OrdersWriter, context: ContextDep, form: FormDep) -> Response:
    """Make an order of an orphan, as `POST /v1/orphans/adopt` does, and lead to it."""
    order = await api.adopt(_meant(form), Response(), grant, context)
    return back_to(f"/ui/orders/{order.id}", "orphan")


@router.post("/dismiss")
async def dismiss(grant: OrdersWriter, context: ContextDep, form: FormDep) -> Response:
    """Say that it is none of ours, as `POST /v1/orphans/dismiss` does."""
    await api.dismiss(_meant(form), grant, context)
    return back_to("/ui/orphans", "dismissed")
