"""Deliveries are made in the transaction of their event, for every webhook that wants it."""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, bindparam, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute
from uuid_utils.compat import uuid7

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Delivery, Webhook
from app.db.notice import NewEvent
from app.db.several import among
from app.db.transactions import Transaction


def enqueue(tx: Transaction, event: NewEvent, account_id: str | None) -> None:
    """Have a delivery made of an event of this transaction for every webhook that wants it.

    `account_id` is that of the event's order. What concerns no order is for whoever runs the service: it is
    told to those alone that name its type and may see every account.

    Who wants it is read when the event has its number: a webhook that was made meanwhile is told of all that
    has a higher number than its making, however long ago the event's transaction began.
    """
    tx.deliver(event, account_id, by=_deliver)


async def _deliver(tx: Transaction, told: Sequence[tuple[NewEvent, str | None]]) -> None:
    """Add the deliveries of all events of a transaction."""
    types = sorted({str(event.type) for event, _ in told})
    accounts = sorted({account_id for _, account_id in told if account_id is not None})
    # Locked against being removed meanwhile, which would undo the events' transaction. One that is being
    # removed is passed over, since nothing may be waited for here.
    of_any = _WANTING_SQLITE if tx.session.get_bind().dialect.name == "sqlite" else _WANTING
    rows = (await tx.session.execute(of_any, {"types": types, "accounts": accounts})).all()
    if not rows:
        return
    await tx.number_events()
    tx.session.add_all(
        new_delivery(tx, webhook_id, event.id)
        for event, account_id in told
        for webhook_id, event_types, account_ids in rows
        if _wants(event.type, account_id, event_types, account_ids)
    )


def _wants(
    kind: str, account_id: str | None, event_types: list[str] | None, account_ids: list[str] | None
) -> bool:
    if account_id is None:
        return account_ids is None and event_types is not None and kind in event_types
    return (event_types is None or kind in event_types) and (account_ids is None or account_id in account_ids)


def _wanting(
    holds: Callable[[InstrumentedAttribute[list[str] | None], str], ColumnElement[bool]],
) -> Select[UUID, list[str] | None, list[str] | None]:
    """Return the statement that finds and locks who may want one of several events."""
    return (
        select(Webhook.id, Webhook.event_types, Webhook.account_ids)
        .where(
            Webhook.is_enabled,
            or_(Webhook.event_types.is_(None), holds(Webhook.event_types, "types")),
            or_(Webhook.account_ids.is_(None), holds(Webhook.account_ids, "accounts")),
        )
        .order_by(Webhook.id)
        .with_for_update(read=True, key_share=True, skip_locked=True)
    )


def _each_of(column: InstrumentedAttribute[list[str] | None], name: str) -> ColumnElement[bool]:
    each = func.json_each(column).table_valued("value")
    return exists().select_from(each).where(among(each.c.value, name))


_WANTING = _wanting(lambda column, name: cast(column, JSONB).has_any(bindparam(name, type_=ARRAY(Text()))))
_WANTING_SQLITE = _wanting(_each_of)


def new_delivery(tx: Transaction, webhook_id: UUID, event_id: int | None) -> Delivery:
    """Return a delivery that is due now, of an event by its number, or of none."""
    tx.announce(due=Delivery)
    return Delivery(
        id=uuid7(),
        webhook_id=webhook_id,
        event_id=event_id,
        status="pending",
        due_at=tx.now,
        created_at=tx.now,
    )


@repeated
async def enqueue_test(db: Database, webhook_id: UUID) -> Delivery | None:
    """Make a delivery that no event has caused; None if there is no such webhook."""
    async with db.write() as tx:
        # Locked as by what refers to it, so that one that is being removed is waited for, and gone.
        lock = {"read": True, "key_share": True}
        if await tx.session.get(Webhook, webhook_id, with_for_update=lock) is None:
            return None
        delivery = new_delivery(tx, webhook_id, None)
        delivery.event = None
        tx.session.add(delivery)
        return delivery
