"""Orphans over HTTP: what CloudPress has and a restored database has lost, and what becomes of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.auth import OrdersReader, OrdersWriter
from app.api.bodies.fields import Line, Strict
from app.api.context import ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import not_found
from app.db.models import Orphan
from app.keys.grants import Grant
from app.orders.reading import OrderView
from app.orders.representation import OrderBody
from app.orders.restorations import last_restoration, open_searches
from app.orders.settling_orphans import NoSuchOrphanError, adopt_orphan, dismiss_orphan, list_orphans

router = APIRouter(prefix="/v1/orphans", tags=["orphans"], dependencies=[Depends(require_migrated)])

SETTLE = documented(400, 401, 403, 404, 413, 415, 422, 503)


class OrphanBody(BaseModel):
    """A CloudPress order, made since the backup, that no order here holds. Null is what nobody told."""

    account_id: str
    cloudpress_order_id: str
    cloudpress_status: str | None
    site_name: str | None
    variant: str | None
    placed_at: datetime | None
    found_at: datetime

    @classmethod
    def of(cls, orphan: Orphan) -> "OrphanBody":
        """Show an orphan."""
        return cls.model_validate(orphan, from_attributes=True)


class OrphanList(BaseModel):
    """Orphans, the newest first. `next_cursor` leads on to older ones, null at the end."""

    searching: list[str] = Field(
        description="Accounts whose orders are still being looked through: nothing is placed for them."
    )
    data: list[OrphanBody]
    next_cursor: str | None


class OrphanRequest(Strict):
    """Which orphan is meant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account_id": "sandbox-account",
                    "cloudpress_order_id": "9b1c07f0-ff3b-4922-b4c1-adb6f995251d",
                }
            ]
        }
    )

    account_id: Line
    cloudpress_order_id: Line


@router.get("", operation_id="listOrphans", responses=documented(401, 403, 422, 503))
async def list_all(
    grant: OrdersReader,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Orphans on a page.")] = 50,
    cursor: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,18}$", description="The `next_cursor` of the page before.")
    ] = None,
) -> OrphanList:
    """List CloudPress's orders since the backup that no order here holds and nobody has settled."""
    accounts = None if grant.account_ids is None else sorted(grant.account_ids)
    async with context.db.read() as session:
        restoration = await last_restoration(session)
        searching = await open_searches(session, restoration.id) if restoration is not None else ()
        found = await list_orphans(
            session, account_ids=accounts, before=None if cursor is None else int(cursor), limit=limit + 1
        )
    page = found[:limit]
    return OrphanList(
        searching=[account_id for account_id in searching if grant.may_see(account_id)],
        data=[OrphanBody.of(orphan) for orphan in page],
        next_cursor=str(page[-1].id) if len(found) > limit else None,
    )


def _require_visible(grant: Grant, body: OrphanRequest) -> None:
    if not grant.may_see(body.account_id):
        raise not_found("orphan")


@router.post("/adopt", status_code=201, operation_id="adoptOrphan", responses=SETTLE)
async def adopt(
    body: OrphanRequest, response: Response, grant: OrdersWriter, context: ContextDep
) -> OrderBody:
    """Make an order of an orphan, which is then followed as any other."""
    _require_visible(grant, body)
    try:
        order = await adopt_orphan(context.db, body.account_id, body.cloudpress_order_id, by=grant.actor)
    except NoSuchOrphanError:
        raise not_found("orphan") from None
    response.headers["Location"] = f"/v1/orders/{order.id}"
    return OrderBody.of(OrderView(order, (), None))


@router.post("/dismiss", status_code=204, operation_id="dismissOrphan", responses=SETTLE)
async def dismiss(body: OrphanRequest, grant: OrdersWriter, context: ContextDep) -> Response:
    """Say that an orphan is none of ours: orders that look like it are placed."""
    _require_visible(grant, body)
    try:
        await dismiss_orphan(context.db, body.account_id, body.cloudpress_order_id, by=grant.actor)
    except NoSuchOrphanError:
        raise not_found("orphan") from None
    return Response(status_code=204)
