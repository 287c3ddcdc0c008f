"""Rechecks a placed order where something speaks for another CloudPress order than the one it holds.

A late answer or a callback may name another one: it replaces one that was only looked up, and otherwise is
a suspected duplicate. An order that was placed more than once is looked up once more, hours later.
"""

from dataclasses import dataclass, field

from app.cloudpress import CloudPressError
from app.cloudpress.protocol import Provider
from app.db.models import Order
from app.queue.leases import Claim
from app.reconciler.dependencies import Dependencies, trouble_of
from app.reconciler.evidence import (
    ANSWER,
    CALLBACK,
    LOOK_UP,
    Sent,
    held_among,
    named_by_callbacks,
    seen,
    what_was_sent,
)
from app.reconciler.looking_up import OrderLookUp, Progress
from app.states import FINAL, Trouble, is_over


@dataclass
class Recheck:
    """What speaks for another CloudPress order."""

    replacement: str | None = None
    source: str | None = None
    duplicates: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    """Suspected duplicates of which nothing is left at CloudPress."""
    hints: tuple[int, ...] = ()
    """Tasks that callbacks named, and that need not be asked about again."""
    open_hints: bool = False
    """Whether there are others, which CloudPress does not show yet."""
    look_up: Progress | None = None
    late_look_done: bool = False
    trouble: Trouble | None = None


async def recheck(dependencies: Dependencies, claim: Claim[Order], provider: Provider) -> Recheck:
    """Return what speaks for another CloudPress order than the one that a placed order holds."""
    order = claim.row
    sent = await what_was_sent(dependencies, order)
    found = Recheck()
    # An answer needs no request, so no trouble with CloudPress hides what it names.
    named: dict[str, str] = {}
    try:
        called_back = await named_by_callbacks(dependencies, claim, provider, sent)
        found.hints, found.open_hints = called_back.settled, not called_back.is_complete
        named |= dict.fromkeys(called_back.order_ids, CALLBACK)
        await _look_at_duplicates(dependencies, claim, provider, found)
        if order.late_look_at is not None and order.late_look_at <= sent.now:
            await _look_again(dependencies, claim, provider, sent, found)
    except CloudPressError as error:
        found.trouble = trouble_of(error)
    named |= dict.fromkeys(sent.answered_ids, ANSWER)
    await _judge(dependencies, order, named, found)
    return found


async def _look_at_duplicates(
    dependencies: Dependencies, claim: Claim[Order], provider: Provider, found: Recheck
) -> None:
    """See which suspected duplicates were cancelled or have failed: nobody has to do anything about those."""
    for order_id in claim.row.suspected_duplicates or ():
        details = await seen(dependencies, claim, provider, order_id)
        if details is not None and is_over(
            details.value.status, (task.status for task in details.value.tasks)
        ):
            found.ended.add(order_id)


async def _look_again(
    dependencies: Dependencies, claim: Claim[Order], provider: Provider, sent: Sent, found: Recheck
) -> None:
    """Look for a second order that a late request has made meanwhile."""
    found.look_up = await OrderLookUp(dependencies, claim, provider, sent).go_on()
    found.trouble = found.look_up.trouble
    if found.look_up.is_complete:
        found.late_look_done = True
        found.duplicates |= {*found.look_up.candidates, *found.look_up.suspects}


async def _judge(dependencies: Dependencies, order: Order, named: dict[str, str], found: Recheck) -> None:
    async with dependencies.db.read() as session:
        held = await held_among(session, order, {*named, *found.duplicates})
    others = [order_id for order_id in named if order_id not in {*held, order.cloudpress_order_id}]
    replaces = order.cloudpress_order_id_source == LOOK_UP and order.status not in FINAL
    own_is_named = order.cloudpress_order_id in named
    if others and replaces and not own_is_named:
        found.replacement, found.source = others[0], named[others[0]]
        others = others[1:]
    found.duplicates |= set(others)
    settled = order.settled_duplicates or ()
    found.duplicates -= {*held, *settled, order.cloudpress_order_id or "", found.replacement or ""}
