"""What applications are told of an order: events with the order as it was shown at that moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, select

from app.db.database import Transaction
from app.db.models import Event, Order
from app.events.timeline import record
from app.events.types import EventType
from app.orders.reading import OrderView
from app.orders.representation import OrderBody
from app.states import AttentionCode, OrderStatus
from app.webhooks.outbox import enqueue

View = Callable[[Order], Awaitable[OrderView]]
"""Returns an order with its tasks and its site, with what the transaction has changed of them."""


class LifecycleEvent(StrEnum):
    """The events that applications are told of, named after what happened."""

    PLACED = EventType.PLACED.value
    PAYMENT_REQUIRED = EventType.PAYMENT_REQUIRED.value
    COMPLETED = EventType.COMPLETED.value
    FAILED = EventType.FAILED.value
    CANCELLED = EventType.CANCELLED.value
    NEEDS_ATTENTION = EventType.NEEDS_ATTENTION.value


BY_STATUS = {
    OrderStatus.AWAITING_PAYMENT: LifecycleEvent.PAYMENT_REQUIRED,
    OrderStatus.COMPLETED: LifecycleEvent.COMPLETED,
    OrderStatus.FAILED: LifecycleEvent.FAILED,
    OrderStatus.CANCELLED: LifecycleEvent.CANCELLED,
}


FINAL_EVENTS = frozenset({LifecycleEvent.COMPLETED, LifecycleEvent.FAILED, LifecycleEvent.CANCELLED})


_TOLD_PAYMENT = (
    select(Event.shown)
    .where(Event.order_id == bindparam("order_id"), Event.type == EventType.PAYMENT_REQUIRED.value)
    .order_by(Event.id.desc())
    .limit(1)
)


@dataclass(frozen=True)
class Before:
    """What of an order tells whether it has reached another part of its life since."""

    status: OrderStatus
    is_placed: bool
    payment_url: str | None
    attention: str | None
    duplicates: frozenset[str]

    @classmethod
    def of(cls, order: Order) -> "Before":
        """Take note of an order as it is now."""
        return cls(
            order.status,
            order.cloudpress_order_id is not None,
            order.payment_url,
            order.attention_code,
            frozenset(order.suspected_duplicates or ()),
        )

    def is_more_asked(self, order: Order) -> bool:
        """Tell whether a person is asked now for what he was not, or about another double."""
        if order.attention_code == AttentionCode.SUSPECTED_DUPLICATE == self.attention:
            return not self.duplicates.issuperset(order.suspected_duplicates or ())
        return order.attention_code is not None and order.attention_code != self.attention

    def is_payable_now(self, order: Order) -> bool:
        """Tell whether it is known only now where a payment is to be made that was asked for before."""
        is_awaited = order.status == self.status == OrderStatus.AWAITING_PAYMENT
        return is_awaited and self.payment_url is None and order.payment_url is not None


async def _told_payment_url(tx: Transaction, order: Order) -> str | None:
    """Return the address at which applications were last told that the order is to be paid."""
    told = (await tx.session.scalars(_TOLD_PAYMENT, {"order_id": order.id})).first()
    address: str | None = (told or {}).get("payment_url")
    return address


async def record_lifecycle_events(tx: Transaction, order: Order, before: Before, view: View) -> None:
    """Add to the timeline which events of its life an order has reached, with the order as it is shown now.

    To be called when all else of the order is written.
    """
    reached = []
    if order.cloudpress_order_id is not None and not before.is_placed:
        reached.append(LifecycleEvent.PLACED)
    if before.is_more_asked(order):
        reached.append(LifecycleEvent.NEEDS_ATTENTION)
    if before.is_payable_now(order) and await _told_payment_url(tx, order) != order.payment_url:
        reached.append(LifecycleEvent.PAYMENT_REQUIRED)
    # The last, because whoever follows one order stops at its final status.
    if order.status != before.status and order.status in BY_STATUS:
        reached.append(BY_STATUS[order.status])
    if reached:
        shown = OrderBody.of(await view(order)).model_dump(mode="json")
        for lifecycle_event in reached:
            event = record(tx, order.id, EventType(lifecycle_event), shown=shown)
            enqueue(tx, event, order.account_id)
