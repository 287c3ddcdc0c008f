"""What CloudPress has that may be an order: for whoever has to say what becomes of it."""

import asyncio
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from app.api.auth import CloudPressDep, OrdersReader
from app.api.bodies.suspects import SuspectBody, SuspectList
from app.api.context import CannotAsk, CloudPressChecks, ContextDep, require_migrated
from app.api.middleware.head import spares_body
from app.api.problems.documented import documented
from app.api.visible import find_visible
from app.orders.shown import count_callbacks
from app.orders.suspects import Suspect, find_suspects

LISTED = 100
ASKED_ABOUT = 20
"""Of more it is not asked what each is: a look-up that finds so many does not ask either."""
AT_A_TIME = 4
DEADLINE_SECONDS = 5.0
"""How long CloudPress is waited for in all. What it has not told by then is listed without."""

router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=[Depends(require_migrated)])


@router.get(
    "/{order_id}/suspects",
    operation_id="listSuspects",
    responses=documented(401, 403, 404, 422, 503),
)
async def list_suspects(
    order_id: UUID, request: Request, grant: OrdersReader, context: ContextDep, cloudpress: CloudPressDep
) -> SuspectList:
    """List what CloudPress has that may be an order, or its duplicate, and ask CloudPress what each is.

    CloudPress is asked about the first 20 and waited for 5 seconds. What it does not tell by then is listed
    all the same, with why. An order of which nothing is suspected has none.
    """
    view = await find_visible(context, grant, order_id)
    async with context.db.read() as session:
        found = await find_suspects(session, view.order)
        callbacks = await count_callbacks(session, view.order)
    account_id = view.order.account_id
    turns = asyncio.Semaphore(AT_A_TIME)
    until = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    most = 0 if spares_body(request.scope) else ASKED_ABOUT
    asked = (_told(cloudpress, account_id, suspect, turns, until) for suspect in found[:most])
    listed = [
        *await asyncio.gather(*asked),
        *(
            SuspectBody.of(suspect, None, f"CloudPress was asked about the first {ASKED_ABOUT} alone.")
            for suspect in found[most:LISTED]
        ),
    ]
    others = [suspect.cloudpress_order_id for suspect in found[LISTED:]]
    return SuspectList(data=listed, left_out=len(others), others=others, callbacks=callbacks)


async def _told(
    cloudpress: CloudPressChecks, account_id: str, suspect: Suspect, turns: asyncio.Semaphore, until: float
) -> SuspectBody:
    """Ask what a suspect is. No answer is none that the breaker counts: only our patience has ended."""
    try:
        async with asyncio.timeout_at(until), turns:
            told = await cloudpress.tell_order(account_id, suspect.cloudpress_order_id)
    except TimeoutError:
        return SuspectBody.of(suspect, None, "CloudPress has not answered in time.")
    except CannotAsk as error:
        return SuspectBody.of(suspect, None, str(error))
    untold = "CloudPress shows the account no such order." if told is None else None
    return SuspectBody.of(suspect, told, untold)
