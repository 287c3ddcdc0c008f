"""Whether a client wants an order cancelled, and what CloudPress was asked to cancel for that."""

from typing import Any

from app.db.models import Order
from app.orders.handing_over import is_mixed_up


def cancelling_of(order: Order) -> dict[str, Any] | None:
    """Return what stands for asking CloudPress to cancel what an order has now; None if its client wants it.

    Who ends a wish or gives the order another CloudPress order may be a release that knows nothing of such
    requests: what was asked for is told by itself.
    """
    if order.cancel_requested_at is None:
        return None
    return {"order": order.cloudpress_order_id, "wished_at": order.cancel_requested_at.timestamp()}


def was_perhaps_cancelled(order: Order) -> bool:
    """Tell whether CloudPress has perhaps cancelled what an order has now, its answer not known."""
    return order.cancel_unanswered is not None and order.cancel_unanswered == cancelling_of(order)


def is_unwanted(order: Order) -> bool:
    """Tell whether an order's client wants it cancelled.

    What CloudPress has refused about an order that may be another's is no answer to that.
    """
    return order.cancel_requested_at is not None or (order.cancel_refusal is not None and is_mixed_up(order))
