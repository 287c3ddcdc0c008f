"""What an operator decides about an order is stored and makes it due; the reconciler does it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import LookUp, Order
from app.db.transactions import Transaction
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.handing_over import is_mixed_up, lock_with_holder, may_be_handed_over, take_from
from app.orders.look_ups import begin_anew, without
from app.orders.orphans import orphans_like
from app.orders.resolvable import is_not_sent, may_never_go_on, why_not_resolvable
from app.orders.shown import (
    NOTHING_SAID,
    Shown,
    count_known_callbacks,
    find_just_answered,
    overrule_callbacks,
    refuse_just_answered,
    refuse_unseen,
)
from app.orders.spoken import end_undone
from app.orders.waking import make_due
from app.states import AttentionCode

_SEES_NOTHING = frozenset({AttentionCode.ACCOUNT_UNKNOWN, AttentionCode.PASS_BROKEN})
"""What a person is asked about an order of which no pass comes to an end."""


class NotResolvableError(Exception):
    """The order cannot be resolved so; the text says why."""


@repeated
async def request_resolution(
    db: Database,
    order_id: UUID,
    *,
    action: str,
    cloudpress_order_id: str | None,
    by: Actor,
    shown: Shown = NOTHING_SAID,
) -> Order | None:
    """Store what an operator decides about an unconfirmed order; the reconciler does it.

    `action` is `adopt` (with `cloudpress_order_id`), `place_again` or `fail`. To place it again can be asked
    too for an order that waits for a person before it is sent, and to fail it for a placed one that may
    never go on. Either can be asked for one that holds by its name what is another's. None if there is no
    such order.

    Raises:
        NotResolvableError: the order is not to be resolved so, or another order has that CloudPress order,
            unless that one is to give it up. (`handing_over.may_be_handed_over`)
        UnseenError: something is known of it that is not in what he was `shown`, or was just answered.
    """
    async with db.write() as tx:
        order, holder, promised = await lock_with_holder(tx, order_id, cloudpress_order_id)
        if order is None:
            return None
        if (reason := why_not_resolvable(order, action)) is not None:
            raise NotResolvableError(reason)
        await refuse_unseen(tx, order, shown)
        # What is taken from it is settled as well; of what he adopts he says that it is the order.
        held = {order.cloudpress_order_id} if is_mixed_up(order) else set()
        settled = {*(order.settled_duplicates or ()), *held} - {cloudpress_order_id}
        never_seen = await _never_seen(tx, order, action, settled)
        await refuse_just_answered(tx, order, settled - never_seen)
        if is_mixed_up(order):
            await take_from(tx, order, by=by)  # he says that it is not this one's
        said = order.resolution or {}
        is_said = said.get("action") == action
        if action == "place_again" and is_said and not is_not_sent(order):
            # Two operators, or one who clicked twice. What came in between the two neither has seen, so the
            # first word stands with what was known then.
            return order
        resolution: dict[str, Any] = {"action": action, **by.told}
        if cloudpress_order_id is not None:
            await _free_for(tx, order, holder, promised, by=by)
            resolution["cloudpress_order_id"] = cloudpress_order_id
        record(tx, order_id, EventType.RESOLUTION_REQUESTED, **resolution)
        if may_never_go_on(order):
            resolution["about"] = order.attention_code
            resolution["callbacks"] = await count_known_callbacks(tx.session, order, shown)
        else:
            resolution |= await _covered(tx, order, action, shown)
        resolution |= _counted(said, resolution) | _left_untold(order, resolution, never_seen)
        order.resolution = resolution
        make_due(tx, order)
        return order


async def _free_for(
    tx: Transaction, order: Order, holder: Order | None, promised: Sequence[Order], *, by: Actor
) -> None:
    """Have no other order hold, or be promised, what an operator adopts for this one.

    Raises:
        NotResolvableError: another order holds it, and is not to give it up.
    """
    if holder is not None and not await may_be_handed_over(tx.session, holder, order):
        raise NotResolvableError(f"Order {holder.id} has that CloudPress order already.")
    if holder is not None:
        await take_from(tx, holder, by=by)
    for other in promised:  # the later word counts
        end_undone(tx, other)
        make_due(tx, other)


def _counted(said: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
    """Return for how long a word has waited that is said again: that is no reason for it to wait longer."""
    if any(said.get(name) != again.get(name) for name in ("action", "about", "cloudpress_order_id")):
        return {}
    return {name: said[name] for name in ("waits", "unknown") if name in said}


async def _never_seen(tx: Transaction, order: Order, action: str, settled: set[str]) -> set[str]:
    """Return what an order was answered with and no pass may ever come to see.

    It fails all the same by an operator's word, and is asked about then.
    """
    if action != "fail" or order.attention_code not in _SEES_NOTHING:
        return set()
    return await find_just_answered(tx, order, settled - {order.cloudpress_order_id or ""})


def _left_untold(order: Order, resolution: dict[str, Any], never_seen: set[str]) -> dict[str, Any]:
    """Have what was never seen be settled no more; return what the word leaves to be told."""
    if not never_seen:
        return {}
    order.settled_duplicates = without(never_seen, order.settled_duplicates or ()) or None
    return {"untold": sorted({*resolution.get("untold", ()), *never_seen})}


async def _covered(tx: Transaction, order: Order, action: str, shown: Shown) -> dict[str, Any]:
    """Return when an operator spoke of an order that was not found, and what he knew; overrule callbacks."""
    if action != "adopt":
        await overrule_callbacks(tx, order, shown)
    if action == "fail":
        return await _told_and_untold(tx, order, shown)
    known = {"known": await _take_note(tx, order, shown)} if action == "place_again" else {}
    return {"at": tx.now.isoformat(), **known}


async def _take_note(tx: Transaction, order: Order, shown: Shown) -> list[str]:
    """Return what an operator knows who has an order placed again; what else comes up speaks against it.

    So CloudPress's list is read anew before it is done.
    """
    look_up = await tx.session.get(LookUp, order.id)
    if look_up is not None:
        begin_anew(look_up)
    if shown.suspects is not None:
        return list(shown.suspects)
    return shown.among(order, await _found(tx, order, look_up))


async def _told_and_untold(tx: Transaction, order: Order, shown: Shown) -> dict[str, list[str]]:
    """Return what an operator knows of who gives an order up, and what else may be it.

    What a look-up under way has yet to see is left to the late look.
    """
    look_up = await tx.session.get(LookUp, order.id)
    found = await _found(tx, order, look_up)
    known = shown.among(order, found)
    unseen = look_up.unseen if look_up is not None else []
    return {"known": known, "untold": sorted({*found} - {*known, *unseen})}


async def _found(tx: Transaction, order: Order, look_up: LookUp | None) -> list[str]:
    """Return the CloudPress orders that may be an unconfirmed one."""
    return [*looked_up(look_up), *await orphans_like(tx.session, order)]


def looked_up(look_up: LookUp | None) -> list[str]:
    """Return the CloudPress orders that a look-up has found, or has yet to see."""
    return [*look_up.candidates, *look_up.suspects, *look_up.unseen] if look_up is not None else []
