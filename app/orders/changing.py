"""The one way in which an order changes: whatever is shown of it differs is told, and every move is checked.

Nothing else assigns `orders.status`; a test reads the source for it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from app.db.models import Order
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.lifecycle_events import Before, View, record_lifecycle_events
from app.orders.reading import view_now
from app.orders.spoken import end_undone, was_done
from app.states import FINAL, PLACED, Attention, OrderStatus, may_follow


class ForbiddenTransitionError(Exception):
    """An order would go where no order may go; the transaction must not commit."""


class Change:
    """A change of an order whose row is locked; `changing` yields it and tells what came of it."""

    def __init__(self, tx: Transaction, order: Order, action: str, view: View | None = None) -> None:
        """Note what is shown of the order before; `action` says in the timeline what changes it.

        `view` returns the order with its tasks and its site; by default those are read when they are told.
        """
        self.order = order
        self.shows_more = False
        """Whether what else is shown of the order differs: its tasks, its site."""
        self._tx = tx
        self._action = action
        self._view = view or partial(view_now, tx.session)
        self._before = Before.of(order)
        self._asked: Attention | None = None
        self._facts, self._passing = _facts(order), _passing(order)

    @property
    def is_made(self) -> bool:
        """Whether the order is shown differently by now."""
        return self.is_news or _passing(self.order) != self._passing

    @property
    def is_news(self) -> bool:
        """Whether more is known of the order by now.

        What a person is asked may be another thing with each look, where CloudPress tells now more, now less,
        and so may the address of one and the same payment.
        """
        return self.shows_more or _facts(self.order) != self._facts

    def move(self, status: OrderStatus) -> None:
        """Move the order to a status, or leave it where it is.

        Raises:
            ForbiddenTransitionError: it may not go there; the transaction must not commit.
        """
        order, before = self.order, self.order.status
        if not may_follow(before, status):
            raise ForbiddenTransitionError(f"{before} may not become {status}")
        order.status = status
        has_been_sent = (before, status) == (OrderStatus.PLACING, OrderStatus.UNCONFIRMED)
        if status in FINAL or (status in PLACED and before not in PLACED) or has_been_sent:
            if was_done(order, before):
                order.resolution = None
            else:
                end_undone(self._tx, order)
        if status in FINAL:
            order.finalized_at = order.finalized_at or self._tx.now
            order.cancel_requested_at = order.cancel_accepted_at = None
        if status != before:
            record(
                self._tx,
                order.id,
                EventType.STATUS_CHANGED,
                before=before,
                after=status,
                action=self._action,
            )

    def ask_for(self, attention: Attention | None) -> None:
        """Have the order ask for attention from now on, or no longer."""
        order, tx = self.order, self._tx
        self._asked = attention
        if attention is None:
            if order.attention_code is not None:
                record(tx, order.id, EventType.ATTENTION_ENDED, code=order.attention_code)
            order.attention_code = order.attention_detail = order.attention_since = None
            return
        if order.attention_code != attention.code:
            order.attention_since = tx.now
            record(tx, order.id, EventType.ATTENTION_STARTED, code=attention.code, detail=attention.detail)
        order.attention_code = attention.code
        order.attention_detail = attention.detail

    async def tell(self) -> None:
        """Tell whoever waits for the order, and the applications. To be called when all else is written."""
        if self.is_made:
            self.order.updated_at = self._tx.now
            self._tx.announce(changed=self.order.id)
        await record_lifecycle_events(self._tx, self.order, self._before, self._view, self._asked)


@asynccontextmanager
async def changing(
    tx: Transaction, order: Order, *, action: str, view: View | None = None
) -> AsyncIterator[Change]:
    """Change an order, whose row is locked, in the block; what came of it is told when the block ends."""
    change = Change(tx, order, action, view)
    yield change
    await change.tell()


def _facts(order: Order) -> tuple[object, ...]:
    """Return what the API shows of the row and can change, but for what may be other with each look."""
    return (
        order.status,
        order.cloudpress_order_id,
        order.error_code,
        order.cancel_requested_at,
        order.cancel_refusal,
    )


def _passing(order: Order) -> tuple[object, ...]:
    """Return what is asked of a person, and where a payment is made."""
    return order.attention_code, order.attention_detail, order.payment_url
