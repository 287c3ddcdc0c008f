"""Forgets what was read of a CloudPress order that an order does not have any more. The database only."""

from sqlalchemy import delete

from app.db.models import Order, Site, Task
from app.db.transactions import Transaction
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.states import FINAL


async def forget_what_it_had(tx: Transaction, order: Order, *, by: Actor | None = None) -> None:
    """Forget all that CloudPress said of what an order, which is locked, had: it was not about the order.

    `by` is who says that it has it no more, None if CloudPress does.
    """
    for table in (Task, Site):
        await tx.session.execute(delete(table).where(table.order_id == order.id))
    order.cloudpress_status = order.cloudpress_answer = order.payment_url = None
    order.missing_since = order.missing_known_since = order.gone_known_since = None
    order.silent_since = order.silent_known_since = order.mixed_up = None
    _wish_anew(tx, order, by=by)


def _wish_anew(tx: Transaction, order: Order, *, by: Actor | None) -> None:
    """Have what CloudPress said to the client's wish to cancel another's order be no answer to the wish.

    It stands again, unless the order has ended. So it does where an operator says what becomes of the order:
    until that is done he may say otherwise, or a restored database may know nothing of it.
    """
    was_refused = order.cancel_refusal is not None
    order.cancel_accepted_at = order.cancel_refusal = order.cancel_unanswered = None
    if was_refused and order.status not in FINAL:  # a refusal ends the wish
        record(tx, order.id, EventType.CANCEL_REQUESTED, by=by)
        order.cancel_requested_at = tx.now
