"""Orphans: orders at CloudPress that a restored database has lost. The database only.

An order that was accepted after the backup is unknown here and exists there. Its client sends it again, with
the same `Idempotency-Key`, and it would be bought a second time. So nothing is placed for an account until
its orders since the backup have been looked through (`restorations`), and nothing that may be one that nobody
holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.columns import UTCDateTime
from app.db.database import Database
from app.db.errors import repeated
from app.db.models import RESTORED, Order, Orphan, OrphanSearch, Placement, Restoration
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.names_seen import seen_tidying
from app.states import PostOutcome


@dataclass(frozen=True)
class Found:
    """A CloudPress order that a search has found, as far as CloudPress tells of it."""

    cloudpress_order_id: str
    cloudpress_status: str | None = None
    site_name: str | None = None
    variant: str | None = None
    placed_at: datetime | None = None


@repeated
async def keep_found(db: Database, restoration_id: int, account_id: str, found: Sequence[Found]) -> int:
    """Keep what a search has found and nobody holds; return how many that are."""
    async with db.write() as tx:
        # Whoever searches the same account keeps what he has found before us or after us.
        await tx.session.get(OrphanSearch, (restoration_id, account_id), with_for_update=True)
        known = await held_or_known(tx.session, account_id, [each.cloudpress_order_id for each in found])
        new = [each for each in found if each.cloudpress_order_id not in known]
        for each in new:
            tx.session.add(
                Orphan(
                    account_id=account_id,
                    cloudpress_order_id=each.cloudpress_order_id,
                    cloudpress_status=each.cloudpress_status,
                    site_name=each.site_name,
                    variant=each.variant,
                    placed_at=each.placed_at,
                    found_at=tx.now,
                )
            )
            tell(tx, EventType.ORPHAN_FOUND, account_id, each.cloudpress_order_id)
        return len(new)


async def held_or_known(session: AsyncSession, account_id: str, ids: Sequence[str]) -> set[str]:
    """Return which CloudPress orders of an account an order of ours holds, or a search has found before."""
    held = select(Order.cloudpress_order_id).where(
        Order.account_id == account_id, Order.cloudpress_order_id.in_(ids)
    )
    known = select(Orphan.cloudpress_order_id).where(
        Orphan.account_id == account_id, Orphan.cloudpress_order_id.in_(ids)
    )
    return {*await session.scalars(known), *(it for it in await session.scalars(held) if it is not None)}


def is_open() -> ColumnElement[bool]:
    """Return the condition that nobody has settled an orphan, and no order holds it."""
    held = exists().where(
        Order.account_id == Orphan.account_id, Order.cloudpress_order_id == Orphan.cloudpress_order_id
    )
    return Orphan.settled_at.is_(None) & ~held


_OF_ACCOUNT = Orphan.account_id == bindparam("account_id")
_OPEN = select(Orphan).where(_OF_ACCOUNT, is_open()).order_by(Orphan.id)
# So long after an orphan was adopted its client may send it again.
REPEATED_FOR = timedelta(days=7)
_ADOPTED_LATELY = select(Orphan).where(
    _OF_ACCOUNT, Orphan.settled_at > bindparam("since", type_=UTCDateTime()), Orphan.site_name.is_not(None)
)
_SETTLED = select(Orphan.cloudpress_order_id, Orphan.settled).where(
    _OF_ACCOUNT, Orphan.settled_at.is_not(None)
)


async def orphans_like(session: AsyncSession, order: Order) -> tuple[str, ...]:
    """Return the orphans of an order's account that may be the order, whatever CloudPress tells of them.

    Those are open, or an operator has adopted them in the days before the order came: a client who does not
    know that may send again what he had ordered. One is passed over only where its name is surely another's.
    How CloudPress tells a variant or an account excludes nothing. (docs/decisions/0009) Left out are those of
    which an operator has said that they are not this order.
    """
    found = [
        *await session.scalars(_OPEN, {"account_id": order.account_id}),
        *await _adopted_lately(session, order),
    ]
    if not found:
        return ()
    tidying = await seen_tidying(session, order.account_id)
    return tuple(
        orphan.cloudpress_order_id
        for orphan in found
        if not tidying.excludes(order.site_name, orphan.site_name)
        and orphan.cloudpress_order_id not in (order.settled_duplicates or ())
    )


async def _adopted_lately(session: AsyncSession, order: Order) -> list[Orphan]:
    """Return the orphans that were adopted in the days before an order came, other than as that order.

    Of one whose name nobody has told it is not known whose repeat would be its own. It holds back none.
    """
    asked = {"account_id": order.account_id, "since": order.created_at - REPEATED_FOR}
    own = {order.cloudpress_order_id, (order.resolution or {}).get("cloudpress_order_id")}
    return [
        orphan
        for orphan in await session.scalars(_ADOPTED_LATELY, asked)
        if (orphan.settled or {}).get("action") == "adopt" and orphan.cloudpress_order_id not in own
    ]


async def dismissed_orphans(session: AsyncSession, account_id: str) -> set[str]:
    """Return the orphans of an account of which an operator has said that they are none of ours."""
    settled = await session.execute(_SETTLED, {"account_id": account_id})
    return {row.cloudpress_order_id for row in settled if _is_dismissed(row.settled)}


def _is_dismissed(settled: dict[str, Any] | None) -> bool:
    return (settled or {}).get("action") == "dismiss"


async def is_left_to_people(
    session: AsyncSession, order: Order, cloudpress_order_id: str, *, is_doubted: bool
) -> bool:
    """Tell whether a CloudPress order is an open orphan, and nothing but its name says that it is this order.

    Two clients may call their sites alike: no order gets another's site and password because of its name. An
    order `is_doubted` if it may have been sent after the backup that was restored: it can be an orphan unless
    it is newer than the restoration. What an order of the backup had made then, the backup knows.
    """
    orphan = select(Orphan.id).where(
        Orphan.account_id == order.account_id, Orphan.cloudpress_order_id == cloudpress_order_id, is_open()
    )
    restored = select(Restoration.id).where(Restoration.restored_at <= order.created_at)
    both = select(orphan.exists() & restored.exists() if is_doubted else orphan.exists())
    return bool((await session.execute(both)).scalar_one())


async def doubt(tx: Transaction, order: Order) -> None:
    """Note that an order may have been sent by whoever had the database before."""
    attempts = select(func.max(Placement.attempt)).where(Placement.order_id == order.id)
    attempt = (await tx.session.execute(attempts)).scalar() or 0
    tx.session.add(
        Placement(
            order_id=order.id,
            attempt=attempt + 1,
            # The original may have sent it a moment ago, so the grace begins now. How far back a look-up
            # goes is another matter: `evidence.what_was_sent`.
            sent_at=tx.now,
            sent_boot=tx.clock.boot,
            sent_uptime=tx.began_at_uptime,
            outcome=PostOutcome.UNKNOWN,
            callback_key_id=RESTORED,
        )
    )


def tell(tx: Transaction, kind: EventType, account_id: str, cloudpress_order_id: str, **more: Any) -> None:  # noqa: ANN401
    # With the account, so that a key of that alone sees it too. (`app/events/reading.py`)
    record(tx, None, kind, cloudpress_order_id=cloudpress_order_id, account_ids=[account_id], **more)
