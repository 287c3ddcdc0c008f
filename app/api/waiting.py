"""Waits for an order to change while a request is open, holding no connection to the database."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from fastapi import Header, Response

from app.api.admission import Admission
from app.api.context import Context
from app.db.errors import DATABASE_AWAY
from app.db.models import Order
from app.keys.authentication import KeyRefusedError
from app.orders.reading import OrderView, find_order

DEFAULT_WAIT_SECONDS = 10.0
MAX_WAIT_SECONDS = 30.0
# A preference, up to the comma that ends it. None in quotes does, which end with the header at the latest: so
# written, nothing is looked at twice.
PREFERENCE = re.compile(r'(?:"(?:[^"\\]|\\(?:.|$))*(?:"|$)|[^,"])+')
# One of its own: `foo; wait=1` is a parameter of `foo`.
WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d+)\"?\s*(?:$|;)", re.IGNORECASE)

Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="`wait=<seconds>` (RFC 7240): how long the answer may wait for the outcome; 10 if not "
        "given, 30 at most.",
        examples=["wait=5"],
    ),
]


def _asked(prefer: str | None) -> re.Match[str] | None:
    """Return the first wait that the header asks for, with its seconds; None if it asks for none."""
    waits = (WAIT.match(preference) for preference in PREFERENCE.findall(prefer or ""))
    return next((wait for wait in waits if wait is not None), None)


def preferred_wait_seconds(prefer: str | None) -> float:
    """Return how long `Prefer: wait=<seconds>` (RFC 7240) asks to wait, within what is allowed."""
    asked = _asked(prefer)
    return min(float(asked[1]), MAX_WAIT_SECONDS) if asked else DEFAULT_WAIT_SECONDS


def tell_applied(response: Response, prefer: str | None) -> None:
    """Tell the client which preference was heeded. (RFC 7240: `Preference-Applied`)"""
    if _asked(prefer):
        response.headers["Preference-Applied"] = f"wait={preferred_wait_seconds(prefer):.0f}"


def _not_by_view(_view: OrderView) -> bool:
    return False


async def wait_until(
    context: Context,
    admission: Admission,
    known: OrderView,
    seconds: float,
    reached: Callable[[Order], bool],
    *,
    seen: Callable[[OrderView], bool] = _not_by_view,
) -> OrderView:
    """Return the order once `reached` or `seen` says so, the time is up, the key's is, or the service stops.

    `reached` judges the order's row, `seen` the order with its tasks and site. It is read at least once, so
    that what the caller knows of it may be its row alone, and once more when the time is up, so that the
    answer is true even if a wake-up went unheard. While the database is away the order is returned as it was
    last known: it has been committed, and an error would make the client order once more. The same goes for
    a key that is let in no more: nothing is read for it, and `admission.is_over` says so. A key of which as
    many wait as may is answered at once: it would take the places of all others.
    """
    loop = asyncio.get_running_loop()
    with (
        context.signals.watch(known.order.id, *admission.key_ids) as changed,
        context.shares.taken(admission.grant.identity, admission.places) as may_wait,
    ):
        deadline = loop.time() + (seconds if may_wait else 0)
        while not admission.is_over:
            is_time_up = loop.time() >= deadline
            with suppress(*DATABASE_AWAY):
                async with context.db.read() as session:
                    known = await find_order(session, known.order.id) or known
            if is_time_up or reached(known.order) or seen(known) or context.signals.stopping.is_set():
                break
            lasts_seconds = admission.grant.lasts_seconds
            ends_at = deadline if lasts_seconds is None else min(deadline, loop.time() + lasts_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends_at):
                    await changed.wait()
            changed.clear()
            if admission.key_ids:
                with suppress(KeyRefusedError, *DATABASE_AWAY):
                    await admission.check()
    return known
