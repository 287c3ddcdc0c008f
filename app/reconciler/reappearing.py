"""Whether an order that is to be sent is at CloudPress already, by what has come in since then."""

from app.reconciler.evidence import held_among
from app.reconciler.naming import named_since
from app.reconciler.writing import Held


async def has_reappeared(held: Held) -> bool:
    """Tell whether something speaks for an order, which is to be sent, being at CloudPress already.

    A callback does not that an operator has overruled, by having the order placed again all the same, nor an
    answer that names what was settled since it came.
    """
    order, loaded, session = held.order, held.loaded, held.tx.session
    placements = await loaded.placements(order.id)
    answered = {it.cloudpress_order_id for it in placements if it.cloudpress_order_id is not None}
    speaking = answered - await held_among(session, order, answered)
    settled = speaking & {*(order.settled_duplicates or ())}
    if speaking - settled:
        return True
    if settled and settled & await named_since(session, order, recorded=held.tx.events):
        return True
    return any(callback.overruled_at is None for callback in await loaded.callbacks(order.id))
