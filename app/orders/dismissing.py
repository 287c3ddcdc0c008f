"""An operator says that what may be an order at CloudPress, or its duplicate, is neither."""

from uuid import UUID

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import LookUp, Order
from app.db.transactions import Transaction
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.changing import changing
from app.orders.handing_over import is_promised
from app.orders.look_ups import without
from app.orders.names_seen import OPERATOR
from app.orders.orphans import orphans_like
from app.orders.resolving import NotResolvableError, looked_up
from app.orders.shown import (
    NOTHING_SAID,
    Shown,
    awaits_no_callback,
    is_failed_by_operator,
    may_be_dismissed,
    overrule_callbacks,
    refuse_just_answered,
    refuse_just_called_back,
    refuse_unseen,
    waits_after_its_end,
)
from app.orders.spoken import end_undone
from app.orders.waking import make_due
from app.states import AttentionCode, OrderStatus


@repeated
async def dismiss_duplicates(
    db: Database, order_id: UUID, *, by: Actor, shown: Shown = NOTHING_SAID
) -> Order | None:
    """Note that an operator found that what may be an order, or its duplicate, at CloudPress is neither.

    What he knows of is not suspected again. Nor are callbacks that he knows of where they were let in for an
    order that ended as never bought or by an operator, or that is final and waits for a token or for
    CloudPress to answer: that is not waited for any more. None if there is no such order.

    Raises:
        NotResolvableError: nothing that he knows of is suspected.
        UnseenError: something is suspected that is not in what he was `shown`, or was just answered.
    """
    async with db.write() as tx:
        order = await tx.session.get(Order, order_id, with_for_update=True)
        if order is None:
            return None
        await refuse_unseen(tx, order, shown)
        dismissed = await _dismiss(tx, order, shown)
        await refuse_just_answered(tx, order, dismissed)
        await refuse_just_called_back(tx, order, shown)
        if order.cloudpress_order_id in dismissed and not is_failed_by_operator(order):
            # He has said that it is this order's. Of what he has failed he says no more than that he knows.
            order.cloudpress_order_id_source = OPERATOR
        async with changing(tx, order, action="dismiss_duplicates") as change:
            if is_promised(order, dismissed):
                end_undone(tx, order)
            order.settled_duplicates = sorted({*(order.settled_duplicates or ()), *dismissed})
            order.suspected_duplicates = without(dismissed, order.suspected_duplicates or ()) or None
            record(tx, order_id, EventType.DUPLICATES_DISMISSED, by=by, cloudpress_order_ids=dismissed)
            is_settled = order.suspected_duplicates is None
            if awaits_no_callback(order) or waits_after_its_end(order):
                await overrule_callbacks(tx, order, shown)
            if waits_after_its_end(order):
                order.silent_since = None
                is_to_come = order.late_look_at is not None and order.late_look_at > tx.now
                order.late_look_at = order.late_look_at if is_to_come else None
            asks_for_it = order.attention_code == AttentionCode.SUSPECTED_DUPLICATE
            if is_settled and (asks_for_it or may_be_dismissed(order)):
                change.ask_for(None)
            make_due(tx, order)  # another cause of attention may have been behind this one
        return order


async def _dismiss(tx: Transaction, order: Order, shown: Shown) -> list[str]:
    """Return what is suspected of an order and known to an operator; a look-up that found it begins anew.

    What he does not know of stays found, also where the list shows it no more.

    Raises:
        NotResolvableError: there is none.
    """
    look_up = await tx.session.get(LookUp, order.id) if order.status == OrderStatus.UNCONFIRMED else None
    orphans = await orphans_like(tx.session, order) if order.status == OrderStatus.UNCONFIRMED else ()
    suspected = [*(order.suspected_duplicates or ()), *looked_up(look_up), *orphans]
    if not suspected and may_be_dismissed(order):
        return []
    if not suspected:
        raise NotResolvableError("No CloudPress order is suspected to be this one, or its duplicate.")
    dismissed = shown.among(order, suspected)
    if not dismissed:
        raise NotResolvableError(
            "What is suspected is not what the order's attention tells. Look at the order's suspects, and "
            "say in `suspects` which of them you have seen."
        )
    if look_up is not None:
        look_up.candidates = without(dismissed, look_up.candidates)
        look_up.suspects = without(dismissed, (*look_up.suspects, *look_up.unseen))
        look_up.unseen, look_up.begun_at = [], None
    return dismissed
