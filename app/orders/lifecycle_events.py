"""What applications are told of an order: events with the order as it was shown at that moment."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import Event, Order
from app.db.several import one_of
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.reading import OrderView
from app.orders.representation import OrderBody
from app.states import Attention, AttentionCode, OrderStatus, is_asked_already, tells_to_cancel_nothing
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
    OrderStatus.COMPLETED: LifecycleEvent.COMPLETED,
    OrderStatus.FAILED: LifecycleEvent.FAILED,
    OrderStatus.CANCELLED: LifecycleEvent.CANCELLED,
}


FINAL_EVENTS = frozenset(BY_STATUS.values())


# So many of each are read; what lies farther back is told anew.
_LAST = 20


def _newest(
    number: int, *columns: InstrumentedAttribute[Any], types: Iterable[EventType], since: bool = False
) -> Select[*tuple[Any, ...]]:
    """Return the statement for the newest events of an order of some types, or of those after `told_id`."""
    later = (Event.id > bindparam("told_id"),) if since else ()
    of_types = one_of(Event.type, sorted(each.value for each in types))
    return (
        select(*columns)
        .where(Event.order_id == bindparam("order_id"), of_types, *later)
        .order_by(Event.id.desc())
        .limit(number)
    )


NO_NEWS_WITHIN = timedelta(hours=3)
"""What was asked, and is asked again so soon after its cause seemed gone, is told once: it flaps."""
_TOLD_PAYMENT = _newest(1, Event.shown, types=[EventType.PAYMENT_REQUIRED])
_TOLD_ATTENTION = _newest(_LAST, Event.id, Event.shown, types=[EventType.NEEDS_ATTENTION])
_LAST_TOLD = _newest(1, Event.id, Event.at, types=[EventType.NEEDS_ATTENTION])
_ASKED_SINCE = _newest(
    _LAST,
    *(Event.type, Event.at, Event.data),
    types=[EventType.ATTENTION_STARTED, EventType.ATTENTION_ENDED],
    since=True,
)
_ENDED_SINCE = _newest(1, Event.id, types=[EventType.ATTENTION_ENDED], since=True)
# After these it is another matter, though it be asked in the same words.
_ANOTHER_MATTER_SINCE = _newest(
    1,
    Event.id,
    types=[
        EventType.PLACING,
        EventType.RESOLUTION_REQUESTED,
        EventType.DUPLICATES_DISMISSED,
        EventType.CANCEL_REQUESTED,
    ],
    since=True,
)


@dataclass(frozen=True)
class Before:
    """What of an order tells whether it has reached another part of its life since."""

    status: OrderStatus
    is_placed: bool
    payment_url: str | None
    attention: str | None
    detail: str
    duplicates: frozenset[str]

    @classmethod
    def of(cls, order: Order) -> "Before":
        """Take note of an order as it is now."""
        return cls(
            order.status,
            order.cloudpress_order_id is not None,
            order.payment_url,
            order.attention_code,
            order.attention_detail or "",
            frozenset(order.suspected_duplicates or ()),
        )

    def is_more_asked(self, order: Order, asked: Attention | None) -> bool:
        """Tell whether a person is asked now for what he was not, or about another double."""
        if asked is not None and is_asked_already(asked, self.attention, self.detail):
            return False
        if order.attention_code == AttentionCode.SUSPECTED_DUPLICATE == self.attention:
            return not self.duplicates.issuperset(order.suspected_duplicates or ())
        return order.attention_code is not None and order.attention_code != self.attention

    def is_told_otherwise(self, order: Order) -> bool:
        """Tell whether a person is told now to cancel nothing who was told to cancel one of two."""
        is_as_before = order.attention_code == AttentionCode.SUSPECTED_DUPLICATE == self.attention
        told = order.attention_detail or ""
        return is_as_before and tells_to_cancel_nothing(told) and not tells_to_cancel_nothing(self.detail)

    def is_payable_now(self, order: Order) -> bool:
        """Tell whether a payment is awaited only now, or it is known only now where it is to be made."""
        if order.status != OrderStatus.AWAITING_PAYMENT:
            return False
        is_known_now = self.payment_url is None and order.payment_url is not None
        return is_known_now or self.status != OrderStatus.AWAITING_PAYMENT


async def _is_payment_untold(tx: Transaction, order: Order) -> bool:
    """Tell whether applications were told last of another address to pay at, or of another CloudPress order.

    That a payment is awaited and nobody knows where is told once: an address may come and go with each look.
    """
    told = (await tx.session.scalars(_TOLD_PAYMENT, {"order_id": order.id})).first()
    if told is None or told.get("cloudpress_order_id") != order.cloudpress_order_id:
        return True
    return order.payment_url not in {None, told.get("payment_url")}


async def _is_attention_untold(tx: Transaction, order: Order) -> bool:
    """Tell whether applications were not told lately of what a person is asked now.

    CloudPress may refuse one look and answer the next, for days. What was told in the same words, and has
    been asked again and again since, with no more than a few hours in between, is no news.
    """
    told = (await tx.session.execute(_TOLD_ATTENTION, {"order_id": order.id})).all()
    asked = {"code": order.attention_code, "detail": order.attention_detail}
    same = (row.id for row in told if asked.items() <= ((row.shown or {}).get("attention") or {}).items())
    told_id = next(same, None)
    if told_id is None:
        return True
    asked_about = {"order_id": order.id, "told_id": told_id}
    if (await tx.session.scalars(_ANOTHER_MATTER_SINCE, asked_about)).first() is not None:
        return True
    since = (await tx.session.execute(_ASKED_SINCE, asked_about)).all()
    gone_at = later_at = tx.now  # walking back to when it was asked last
    for row in since:
        started = row.data["code"] if row.type == EventType.ATTENTION_STARTED else None
        if started == order.attention_code:
            break
        # A missing token only hides what was asked: its cause may be gone once that is over.
        gone_at = later_at if started == AttentionCode.ACCOUNT_UNKNOWN else row.at
        later_at = row.at
    return tx.now - gone_at >= NO_NEWS_WITHIN


async def _is_news(tx: Transaction, order: Order, before: Before, asked: Attention | None) -> bool:
    """Tell whether applications are to hear what is asked: it is new, or was passed over and lasts."""
    if before.is_told_otherwise(order):
        return await _is_attention_untold(tx, order)
    if before.is_more_asked(order, asked):
        # Of the same code it is another double, which the words may not name.
        return order.attention_code == before.attention or await _is_attention_untold(tx, order)
    since = order.attention_since
    if since is None or order.attention_code != before.attention or tx.now - since < NO_NEWS_WITHIN:
        return False
    told = (await tx.session.execute(_LAST_TOLD, {"order_id": order.id})).first()
    if told is None or told.at >= since:
        return False
    ended = {"order_id": order.id, "told_id": told.id}
    return (await tx.session.scalars(_ENDED_SINCE, ended)).first() is not None


async def record_lifecycle_events(
    tx: Transaction, order: Order, before: Before, view: View, asked: Attention | None
) -> None:
    """Add to the timeline which events of its life an order has reached, with the order as it is shown now.

    To be called when all else of the order is written. `asked` is what a person was just asked about it.
    """
    reached = []
    if order.cloudpress_order_id is not None and not before.is_placed:
        reached.append(LifecycleEvent.PLACED)
    if await _is_news(tx, order, before, asked):
        reached.append(LifecycleEvent.NEEDS_ATTENTION)
    if before.is_payable_now(order) and await _is_payment_untold(tx, order):
        reached.append(LifecycleEvent.PAYMENT_REQUIRED)
    # The last, because whoever follows one order stops at its final status.
    if order.status != before.status and order.status in BY_STATUS:
        reached.append(BY_STATUS[order.status])
    if reached:
        shown = OrderBody.of(await view(order)).model_dump(mode="json")
        for lifecycle_event in reached:
            event = record(tx, order.id, EventType(lifecycle_event), shown=shown)
            enqueue(tx, event, order.account_id)
