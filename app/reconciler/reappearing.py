"""Whether an order that is to be sent is at CloudPress already, by what has come in since then."""

from app.db.models import LookUp, Order
from app.orders.spoken import ruled_out
from app.reconciler.naming import named_since
from app.reconciler.writing import Held


async def has_reappeared(held: Held) -> bool:
    """Tell whether something speaks for an order, which is to be sent, being at CloudPress already.

    A callback does not that an operator has overruled, by having the order placed again all the same, nor an
    answer that names what was settled since it came, or what he knew of. That another order has what an
    answer names does not explain it: a person is asked whose it is.
    """
    order, loaded, session = held.order, held.loaded, held.tx.session
    placements = await loaded.placements(order.id)
    speaking = {it.cloudpress_order_id for it in placements if it.cloudpress_order_id is not None}
    settled = speaking & {*(order.settled_duplicates or ())}
    if speaking and speaking - await _known(held, order):
        return True
    if settled and settled & await named_since(session, order, recorded=held.tx.events):
        return True
    return any(callback.overruled_at is None for callback in await loaded.callbacks(order.id))


async def _known(held: Held, order: Order) -> set[str]:
    """Return what operators knew of who had the order placed again all the same."""
    look_up = await held.tx.session.get(LookUp, order.id)
    return ruled_out(order) | {*(look_up.ruled_out if look_up is not None else ())}
