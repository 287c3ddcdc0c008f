"""What happened: as a stream while it happens, or page by page."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.admission import Admission
from app.api.auth import AdmissionDep, OrdersReader
from app.api.bodies.events import EventBody, EventList
from app.api.bodies.fields import Line
from app.api.context import Context, ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import events_gone
from app.api.sse import EVENT_STREAM, EventStream
from app.api.visible import find_visible
from app.events.reading import Happened, Interest, gone_through, look_on, read_events
from app.states import FINAL

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page; or, where `Accept: text/event-stream` asks for it, a stream of events, each "
        "with its `id`, its type as `event` and an `EventBody` as `data`",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
}
ENDED: dict[int | str, dict[str, Any]] = {
    204: {"description": "Asked for a stream: the order is final, and there is nothing after `Last-Event-ID`"}
}

WINDOWS = 10
"""So many windows of events are looked through for a page; who asks for what is rare goes on from there."""

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(require_migrated)])

Accept = Annotated[list[str] | None, Header(alias="Accept", include_in_schema=False)]
WEIGHT = re.compile(r"q\s*=\s*([01](?:\.\d*)?)", re.IGNORECASE)
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{0,18}$",
        description="For a stream: go on after this event, without a gap or a repeat.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=100, description="Events on a page.")]
Cursor = Annotated[str, Query(pattern=r"^[0-9]{1,18}$", description="The `next_cursor` of the page before.")]


@router.get(
    "/events",
    operation_id="listEvents",
    responses={**STREAMED, **documented(401, 403, 410, 422, 503)},
    response_model=EventList,
)
async def list_events(
    grant: OrdersReader,
    admission: AdmissionDep,
    context: ContextDep,
    order_id: Annotated[UUID | None, Query(description="Only this order's.")] = None,
    kind: Annotated[
        list[Line] | None, Query(alias="type", max_length=50, description="Only events of these types.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = "0",
    accept: Accept = None,
    last_event_id: LastEventId = None,
) -> EventList | Response:
    """Follow what happens to all orders that the key may see, or read what happened, the oldest first.

    A stream begins now, or after `Last-Event-ID`. The streams and waiting requests of a key take no more than
    half of the connections that a replica has left for such; a further stream is a 429.
    """
    interest = Interest(order_id, frozenset(kind) if kind else None, grant.account_ids)
    if wants_stream(accept):
        after = int(last_event_id) if last_event_id else None
        if after is not None:
            async with context.db.read() as session:
                await _require_kept(session, interest, after)
        return _stream(context, admission, interest, after=after)
    return await _page(context, interest, after=int(cursor), limit=limit)


@router.get(
    "/orders/{order_id}/events",
    operation_id="listOrderEvents",
    responses={**STREAMED, **ENDED, **documented(401, 403, 404, 410, 422, 503)},
    response_model=EventList,
)
async def list_order_events(
    order_id: UUID,
    grant: OrdersReader,
    admission: AdmissionDep,
    context: ContextDep,
    limit: Limit = 50,
    cursor: Cursor = "0",
    accept: Accept = None,
    last_event_id: LastEventId = None,
) -> EventList | Response:
    """Read what happened to an order, the oldest first, or follow it until it is final.

    A stream begins with what is stored, or after `Last-Event-ID`.
    """
    view = await find_visible(context, grant, order_id)
    interest = Interest(order_id)
    if not wants_stream(accept):
        return await _page(context, interest, after=int(cursor), limit=limit)
    after = int(last_event_id or 0)
    is_over = view.order.status in FINAL
    async with context.db.read() as session:
        await _require_kept(session, interest, after)
        if is_over and last_event_id and not await read_events(session, interest, after=after, limit=1):
            return Response(status_code=204)
    return _stream(context, admission, interest, after=after, is_over=is_over)


def wants_stream(accept: list[str] | None) -> bool:
    """Tell whether `Accept` names a stream, and prefers no JSON to it. (RFC 9110, 12.5.1)"""
    weights = _weights(",".join(accept or ()))
    json_ranges = ("application/json", "application/*", "*/*")
    json = next((weights[each] for each in json_ranges if each in weights), 0.0)
    stream = weights.get(EVENT_STREAM, 0.0)
    return stream > 0 and stream >= json


def _weights(accept: str) -> dict[str, float]:
    """Return how much each media range is preferred, the highest where one is named twice.

    A weight that is none counts as if there were none, which is 1.
    """
    found: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        given = (match for each in parameters if (match := WEIGHT.fullmatch(each)))
        weight = min(1.0, next((float(match[1]) for match in given), 1.0))
        found[name.lower()] = max(weight, found.get(name.lower(), 0.0))
    return found


async def _require_kept(session: AsyncSession, interest: Interest, after: int) -> None:
    """Refuse what begins before what is kept, rather than leave out what is gone.

    Raises:
        Problem: 410, with the number from which on all is kept.
    """
    gone = await gone_through(session, interest)
    if after < gone:
        raise events_gone(gone + 1)


def _stream(
    context: Context, admission: Admission, interest: Interest, *, after: int | None, is_over: bool = False
) -> Response:
    return EventStream(
        context.feed,
        interest,
        admission,
        after=after,
        heartbeat_seconds=context.heartbeat_seconds,
        is_over=is_over,
        shares=context.shares,
    )


async def _look(
    context: Context, interest: Interest, *, after: int, wanted: int
) -> tuple[list[Happened], int | None]:
    """Return up to so many events, and after which number to go on, None at the present end."""
    found: list[Happened] = []
    following: int | None = after
    for _ in range(WINDOWS):
        if following is None or len(found) == wanted:
            break
        # Each in a read of its own: those who wait for a connection have their turn in between.
        async with context.db.read() as session:
            batch, following = await look_on(session, interest, after=following, limit=wanted - len(found))
            await _require_kept(session, interest, after)
        found += batch
    return found, following


async def _page(context: Context, interest: Interest, *, after: int, limit: int) -> EventList:
    found, following = await _look(context, interest, after=after, wanted=limit + 1)
    page = [EventBody.of(happened) for happened in found[:limit]]
    if len(found) > limit:
        following = page[-1].id
    return EventList(data=page, next_cursor=None if following is None else str(following))
