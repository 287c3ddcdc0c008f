"""What applications are told of an order: events with the order as it was shown at that moment."""

from dataclasses import dataclass
from enum import StrEnum

from app.db import Transaction
from app.models import Order
from app.shown import shown_now
from app.states import OrderStatus
from app.timeline import record
from app.webhooks.outbox import enqueue


class Milestone(StrEnum):
    """The events that applications are told of, named after what happened."""

    PLACED = "order.placed"
    PAYMENT_REQUIRED = "order.payment_required"
    COMPLETED = "order.completed"
    FAILED = "order.failed"
    CANCELLED = "order.cancelled"
    NEEDS_ATTENTION = "order.needs_attention"


BY_STATUS = {
    OrderStatus.AWAITING_PAYMENT: Milestone.PAYMENT_REQUIRED,
    OrderStatus.COMPLETED: Milestone.COMPLETED,
    OrderStatus.FAILED: Milestone.FAILED,
    OrderStatus.CANCELLED: Milestone.CANCELLED,
}


FINAL_MILESTONES = frozenset({Milestone.COMPLETED, Milestone.FAILED, Milestone.CANCELLED})


@dataclass(frozen=True)
class Before:
    """What of an order tells whether it has reached a milestone since."""

    status: OrderStatus
    is_placed: bool
    attention: str | None

    @classmethod
    def of(cls, order: Order) -> "Before":
        """Take note of an order as it is now."""
        return cls(order.status, order.cloudpress_order_id is not None, order.attention_code)


async def record_milestones(tx: Transaction, order: Order, before: Before) -> None:
    """Add to the timeline which milestones an order has reached in this transaction, and what it shows now.

    To be called when all else of the transaction is written.
    """
    reached = []
    if order.cloudpress_order_id is not None and not before.is_placed:
        reached.append(Milestone.PLACED)
    if order.attention_code is not None and order.attention_code != before.attention:
        reached.append(Milestone.NEEDS_ATTENTION)
    # The last, because whoever follows one order stops at its final status.
    if order.status != before.status and order.status in BY_STATUS:
        reached.append(BY_STATUS[order.status])
    if reached:
        shown = await shown_now(tx.session, order)
        for milestone in reached:
            event = record(tx, order.id, milestone, shown=shown)
            await enqueue(tx, event, order.account_id)
