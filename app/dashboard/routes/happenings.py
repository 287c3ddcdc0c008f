"""What happens now, and who did what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.api.auth import OrdersReader
from app.api.context import ContextDep, require_migrated
from app.dashboard.desk import desk_of
from app.dashboard.page import Page
from app.dashboard.timeline import entry_of
from app.events.reading import Happened, Interest, begin_of_window, newest_event, read_events
from app.events.types import EventType

SHOWN = 50
LOOKED_AT = 4 * SHOWN
"""So many of the last events are looked at for what happens now, whoever may see them."""
WINDOW = 20_000
"""So many events are looked through for a page, whatever is in them."""
BY_PEOPLE = frozenset(
    {
        EventType.CANCEL_REQUESTED, EventType.REFRESH_REQUESTED, EventType.RESOLUTION_REQUESTED,
        EventType.DUPLICATES_DISMISSED, EventType.ERASED, EventType.CREDENTIALS_READ,
        EventType.ACCOUNT_STORED, EventType.ACCOUNT_REMOVED,
        EventType.KEY_CREATED, EventType.KEY_ROTATED, EventType.KEY_REVOKED,
        EventType.WEBHOOK_CREATED, EventType.WEBHOOK_CHANGED, EventType.WEBHOOK_ROTATED,
        EventType.WEBHOOK_REMOVED, EventType.ORPHAN_ADOPTED, EventType.ORPHAN_DISMISSED,
        EventType.SERVICE_RESTORED,
    }
)  # fmt: skip

router = APIRouter(
    prefix="/ui", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)
Before = Annotated[int | None, Query(ge=1, le=10**18)]


async def _latest(
    session: AsyncSession, interest: Interest, before: int | None
) -> tuple[list[Happened], int | None]:
    """Return the newest events of a window before a number, and where the window before it ends."""
    up_to = await newest_event(session) if before is None else before - 1
    begins = await begin_of_window(session, up_to, WINDOW)
    found: list[Happened] = []
    after = begins
    # Oldest first, as events are read; of a window with very many only the newest are kept.
    while batch := await read_events(session, interest, after=after, up_to=up_to):
        found = [*found, *batch][-SHOWN:]
        after = batch[-1].id
    first = found[0].id if len(found) == SHOWN else begins + 1
    return found[::-1], first if await begin_of_window(session, first - 1, 0) else None


@router.get("/live")
async def live(request: Request, grant: OrdersReader, context: ContextDep) -> Response:
    """Show what happens, as it happens."""
    async with context.db.read() as session:
        newest = await newest_event(session)
        interest = Interest(account_ids=grant.account_ids)
        begins = await begin_of_window(session, newest, LOOKED_AT)
        found = await read_events(session, interest, after=begins, up_to=newest)
    return desk_of(request).render(
        request, "live.html", entries=[entry_of(event) for event in list(found)[-SHOWN:][::-1]]
    )


@router.get("/audit")
async def audit(
    request: Request, grant: OrdersReader, context: ContextDep, before: Before = None
) -> Response:
    """Show what people have done."""
    interest = Interest(types=BY_PEOPLE, account_ids=grant.account_ids)
    async with context.db.read() as session:
        events, earlier = await _latest(session, interest, before)
    entries = [entry_of(event) for event in events]
    return desk_of(request).render(request, "audit.html", entries=entries, earlier=earlier, before=before)
