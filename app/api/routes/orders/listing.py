"""The list of orders: filters, and the cursor that leads from page to page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.api.auth import OrdersReader
from app.api.bodies.fields import Line, Moment
from app.api.bodies.orders import OrderList
from app.api.context import ContextDep, require_migrated
from app.api.problems.documented import documented
from app.db.models import Order
from app.keys.grants import Grant
from app.orders.listing import Place, Wanted, list_orders
from app.orders.representation import OrderBody
from app.states import OrderStatus

MAX_LIMIT = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[Depends(require_migrated)])


@router.get("", operation_id="listOrders", responses=documented(401, 403, 422, 503))
async def list_all(
    grant: OrdersReader,
    context: ContextDep,
    status: Annotated[list[OrderStatus] | None, Query(description="Only these statuses.")] = None,
    attention: Annotated[
        bool | None, Query(description="Only orders that ask for attention, or only those that do not.")
    ] = None,
    account_id: Annotated[
        list[Line] | None, Query(description="Only these accounts.", max_length=100)
    ] = None,
    site_name: Annotated[Line | None, Query(description="Only sites that were ordered by this name.")] = None,
    created_after: Annotated[Moment | None, Query(description="Only orders created after this.")] = None,
    created_before: Annotated[Moment | None, Query(description="Only orders created before this.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Orders on a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9_-]{32}$", description="The `next_cursor` of the page before."),
    ] = None,
) -> OrderList:
    """List orders, the newest first. Orders that are added meanwhile neither shift nor repeat a page."""
    accounts = _visible(grant, account_id)
    if accounts is not None and not accounts:
        return OrderList(data=[], next_cursor=None)
    wanted = Wanted(
        statuses=None if status is None else list(dict.fromkeys(status)),
        account_ids=accounts,
        attention=attention,
        site_name=site_name,
        created_after=created_after,
        created_before=created_before,
        after=None if cursor is None else read_cursor(cursor),
        limit=limit + 1,
    )
    async with context.db.read() as session:
        found = await list_orders(session, wanted)
    shown = found[:limit]
    more = len(found) > limit
    around = await context.heartbeats.surroundings()
    return OrderList(
        data=[OrderBody.of(view, around) for view in shown],
        next_cursor=write_cursor(shown[-1].order) if more else None,
    )


def _visible(grant: Grant, asked: list[str] | None) -> list[str] | None:
    """Return the accounts whose orders are listed, None for all."""
    if asked is None:
        return None if grant.account_ids is None else sorted(grant.account_ids)
    return [account_id for account_id in dict.fromkeys(asked) if grant.may_see(account_id)]


def write_cursor(order: Order) -> str:
    """Return the cursor of the place after an order."""
    microseconds = (order.created_at - EPOCH) // MICROSECOND
    return urlsafe_b64encode(microseconds.to_bytes(8) + order.id.bytes).decode()


def read_cursor(cursor: str) -> Place:
    """Read a cursor; one that is not of ours leads somewhere, but nowhere that a filter would not."""
    place = urlsafe_b64decode(cursor.encode())
    microseconds = min(int.from_bytes(place[:8]), LATEST)
    return Place(EPOCH + MICROSECOND * microseconds, UUID(bytes=place[8:]))
