"""Waits for an order to change while a request is open, holding no connection to the database."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

from app.api.context import Context
from app.db import DATABASE_AWAY
from app.models import Order
from app.orders import OrderView, find_order

DEFAULT_WAIT_SECONDS = 10.0
MAX_WAIT_SECONDS = 30.0
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


def preferred_wait_seconds(prefer: str | None) -> float:
    """Return how long `Prefer: wait=<seconds>` (RFC 7240) asks to wait, within what is allowed."""
    asked = WAIT.search(prefer or "")
    return min(float(asked[1]), MAX_WAIT_SECONDS) if asked else DEFAULT_WAIT_SECONDS


async def wait_until(
    context: Context, known: OrderView, seconds: float, reached: Callable[[Order], bool]
) -> OrderView:
    """Return the order as it is once `reached` says so, the time is up or the service stops.

    While the database is away the order is returned as it was last known: it has been committed, and
    an error would make the client order once more.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    with context.signals.watch(known.order.id) as changed, suppress(TimeoutError):
        while not reached(known.order):
            with suppress(*DATABASE_AWAY):
                async with context.db.read() as session:
                    known = await find_order(session, known.order.id) or known
            if reached(known.order) or context.signals.stopping.is_set():
                break
            async with asyncio.timeout_at(deadline):
                await changed.wait()
            changed.clear()
    return known
