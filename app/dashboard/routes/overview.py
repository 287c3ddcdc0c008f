"""The first page: what needs a person, what is wrong, and how it goes."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.auth import GrantDep
from app.api.context import ContextDep, require_migrated
from app.dashboard import overview
from app.dashboard.desk import desk_of
from app.dashboard.page import Page
from app.keys.grants import Scope
from app.orders.settling_orphans import list_orphans

router = APIRouter(route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)])


@router.get("/ui")
async def first(request: Request, grant: GrantDep, context: ContextDep) -> Response:
    """Show what of it the key may see; who may read no orders is told what the key is for."""
    desk = desk_of(request)
    if Scope.ORDERS_READ not in grant.scopes:
        return desk.render(request, "no_orders.html")
    accounts = grant.account_ids
    sees = None if accounts is None else sorted(accounts)
    around = await context.heartbeats.surroundings()
    async with context.db.read() as session:
        values: dict[str, Any] = {
            "causes": await overview.causes(session, accounts),
            "by_status": await overview.by_status(session, around.now, accounts),
            "delays": await overview.callback_delays(session, accounts),
            "orphaned": bool(await list_orphans(session, account_ids=sees, before=None, limit=1)),
            "due": await overview.longest_due(session, around.now, accounts),
            # What concerns the service is told to who may see all. (`app/events/reading.py`)
            "wrong": await overview.wrong_checks(session) if accounts is None else [],
            "disabled": await overview.disabled_webhooks(session, accounts)
            if Scope.WEBHOOKS_WRITE in grant.scopes
            else [],
        }
    return desk.render(
        request,
        "overview.html",
        anybody_works=around.anybody_works,
        placing=around.placing,
        most=overview.MOST,
        **values,
    )
