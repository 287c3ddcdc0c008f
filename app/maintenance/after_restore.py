"""After a backup was restored or a database copied: nothing is bought twice, and keys can be changed."""

from uuid import UUID

from sqlalchemy import func, or_, select

from app.db.database import Database
from app.db.models import ApiKey, Event, LookUp, Order, Webhook
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.changing import changing
from app.orders.look_ups import without
from app.orders.orphans import doubt
from app.orders.spoken import end_undone, known_to_operator
from app.queue import leases
from app.states import LATE_LOOK_AFTER, OrderStatus
from app.webhooks.registry import disable

BATCH = 200
UNPLACED = (OrderStatus.PENDING, OrderStatus.PLACING, OrderStatus.UNCONFIRMED)
# More than can have happened since any backup that somebody still restores.
SKIPPED_NUMBERS = 1_000_000


async def doubt_unplaced_orders(db: Database) -> int:
    """Have every order looked for that may have been placed since the copy was made.

    That is every one whose CloudPress order is not known: pending ones become unconfirmed, those that are
    sought already are sought anew, for a whole grace, and what an operator asked for may have been done
    by the original. Returns how many were pending or being sent.
    """
    count = 0
    last = UUID(int=0)
    while True:
        async with db.write() as tx:
            unplaced = select(Order).where(Order.status.in_(UNPLACED), Order.id > last)
            locked = unplaced.order_by(Order.id).limit(BATCH).with_for_update()
            orders = (await tx.session.scalars(locked)).all()
            for order in orders:
                count += order.status != OrderStatus.UNCONFIRMED
                await _doubt(tx, order)
        if not orders:
            return count
        last = orders[-1].id


async def _doubt(tx: Transaction, order: Order) -> None:
    await doubt(tx, order)
    await _look_up_anew(tx, order)
    async with changing(tx, order, action="after_restore") as change:
        change.move(OrderStatus.UNCONFIRMED)
    order.due_at = order.scheduled_at = tx.now
    order.late_look_at = tx.now + LATE_LOOK_AFTER  # the original may have placed it, and more than once
    if order.resolution is not None:
        end_undone(tx, order)
    order.not_before = None
    leases.end(order)
    tx.announce(due=Order)


async def _look_up_anew(tx: Transaction, order: Order) -> None:
    """Forget how far the look-up of an order has come, but not what was ruled out, or its callback named."""
    look_up = await tx.session.get(LookUp, order.id)
    known = known_to_operator(order) or ()
    ruled_out = sorted({*(look_up.ruled_out if look_up is not None else ()), *known})
    claimed = without(ruled_out, (look_up.claimed or ()) if look_up is not None else ())
    if look_up is not None:
        await tx.session.delete(look_up)
        await tx.session.flush()
    if ruled_out or claimed:
        tx.session.add(
            LookUp(
                order_id=order.id,
                unseen=[],
                candidates=[],
                suspects=[],
                completed=0,
                ruled_out=ruled_out,
                claimed=claimed,
            )
        )


async def skip_event_numbers(db: Database) -> None:
    """Go on with numbers of events that were never given before, whatever has happened since the copy.

    Otherwise a number that an application knows would come again for something else: it would take a message
    for a repeat, and a stream that goes on after a number would leave out what is new.
    """
    async with db.write() as tx:
        newest = (await tx.session.execute(select(func.coalesce(func.max(Event.id), 0)))).scalar_one()
        event = record(tx, None, EventType.SERVICE_RESTORED)
        event.id = newest + SKIPPED_NUMBERS
        if not db.is_sqlite:
            sequence = func.pg_get_serial_sequence(Event.__tablename__, "id")
            is_given = False  # it is the next one that is
            await tx.session.execute(select(func.setval(sequence, event.id, is_given)))


async def silence_webhooks(db: Database) -> int:
    """Disable every webhook: a copy must not tell applications what only the original knows."""
    async with db.write() as tx:
        webhooks = (await tx.session.scalars(select(Webhook).where(Webhook.is_enabled))).all()
        for webhook in webhooks:
            await disable(tx, webhook, "The database was copied.")
        return len(webhooks)


async def count_brought_back(db: Database) -> tuple[int, int]:
    """Return how many API keys work, and how many webhooks are told, as it was when the backup was made."""
    async with db.read() as session:
        lasts = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > await db.now(session))
        keys = select(func.count()).select_from(ApiKey).where(ApiKey.revoked_at.is_(None), lasts)
        webhooks = select(func.count()).select_from(Webhook).where(Webhook.is_enabled)
        return (await session.execute(keys)).scalar_one(), (await session.execute(webhooks)).scalar_one()
