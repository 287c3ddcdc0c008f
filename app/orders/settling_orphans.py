"""What an operator decides about orphans: he lists them, adopts or dismisses them. The database only."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Order, Orphan
from app.db.transactions import Transaction
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.orders.handing_over import take_back_promises
from app.orders.orphans import doubt, is_open, tell
from app.orders.waking import wake_orders
from app.states import OrderStatus


class NoSuchOrphanError(Exception):
    """No open orphan has that id in that account."""


async def list_orphans(
    session: AsyncSession, *, account_ids: Sequence[str] | None, before: int | None, limit: int
) -> tuple[Orphan, ...]:
    """Return open orphans, the newest first; `account_ids` None for all, `before` an orphan's number."""
    wanted = select(Orphan).where(is_open())
    if account_ids is not None:
        wanted = wanted.where(Orphan.account_id.in_(account_ids))
    if before is not None:
        wanted = wanted.where(Orphan.id < before)
    return tuple(await session.scalars(wanted.order_by(Orphan.id.desc()).limit(limit)))


@repeated
async def adopt_orphan(db: Database, account_id: str, cloudpress_order_id: str, *, by: Actor) -> Order:
    """Make an order of an orphan. The reconciler takes it up as one that an operator has found.

    Raises:
        NoSuchOrphanError: there is none.
    """
    async with db.write() as tx:
        await take_back_promises(tx, account_id, cloudpress_order_id)
        orphan = await _locked(tx.session, account_id, cloudpress_order_id)
        word: dict[str, Any] = {"action": "adopt", "cloudpress_order_id": cloudpress_order_id, **by.told}
        order = Order(
            id=uuid7(),
            status=OrderStatus.UNCONFIRMED,
            account_id=account_id,
            site_name=orphan.site_name or cloudpress_order_id,
            variant=orphan.variant or "vanilla",
            client_metadata={},
            resolution={**word, "at": tx.now.isoformat()},
            due_at=tx.now,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(order)
        await tx.session.flush()
        await doubt(tx, order)
        record(tx, order.id, EventType.ACCEPTED, by=by)
        record(tx, order.id, EventType.RESOLUTION_REQUESTED, **word)
        _settle(tx, orphan, "adopt", by)
        tell(tx, EventType.ORPHAN_ADOPTED, account_id, cloudpress_order_id, by=by, order=str(order.id))
        tx.announce(due=Order)
        return order


@repeated
async def dismiss_orphan(db: Database, account_id: str, cloudpress_order_id: str, *, by: Actor) -> None:
    """Note that an orphan is none of ours: orders that waited for its sake are looked at again.

    Raises:
        NoSuchOrphanError: there is none.
    """
    async with db.write() as tx:
        await wake_orders(tx, account_id, OrderStatus.UNCONFIRMED)
        await take_back_promises(tx, account_id, cloudpress_order_id)
        orphan = await _locked(tx.session, account_id, cloudpress_order_id)
        _settle(tx, orphan, "dismiss", by)
        tell(tx, EventType.ORPHAN_DISMISSED, account_id, cloudpress_order_id, by=by)


async def _locked(session: AsyncSession, account_id: str, cloudpress_order_id: str) -> Orphan:
    wanted = select(Orphan).where(
        Orphan.account_id == account_id, Orphan.cloudpress_order_id == cloudpress_order_id, is_open()
    )
    orphan = (await session.scalars(wanted.with_for_update(of=Orphan))).first()
    if orphan is None:
        raise NoSuchOrphanError
    return orphan


def _settle(tx: Transaction, orphan: Orphan, action: str, by: Actor) -> None:
    orphan.settled_at = tx.now
    orphan.settled = {"action": action, **by.told}
