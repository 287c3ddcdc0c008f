"""What CloudPress has that may be an order, as look-ups, callbacks and orphan searches have found it.

The database only: what CloudPress tells of each is another question.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import LookUp, Order
from app.orders.orphans import orphans_like
from app.states import OrderStatus, Suspicion


@dataclass(frozen=True)
class Suspect:
    """A CloudPress order that may be one of ours.

    `placed_at` is when CloudPress's list says that it was made, `held_by` the order here that has it by now.
    """

    cloudpress_order_id: str
    why: Suspicion
    placed_at: datetime | None = None
    held_by: UUID | None = None


async def find_suspects(session: AsyncSession, order: Order) -> tuple[Suspect, ...]:
    """Return what may be an order, what fits best first; nothing where nothing is suspected of it."""
    listed: dict[str, str | None] = {}
    found: dict[str, Suspicion] = {}
    if order.status == OrderStatus.UNCONFIRMED:
        look_up = await session.get(LookUp, order.id)
        listed = dict(look_up.listed) if look_up is not None else {}
        for why, order_ids in _looked_up(look_up, await orphans_like(session, order)):
            found |= dict.fromkeys(order_ids, why)
    for order_id in order.suspected_duplicates or ():
        found.setdefault(order_id, Suspicion.DUPLICATE)
    held = await _holders(session, order.account_id, found)
    places = {why: place for place, why in enumerate(Suspicion)}
    return tuple(
        Suspect(order_id, why, _moment(listed.get(order_id)), held.get(order_id))
        for order_id, why in sorted(found.items(), key=lambda each: places[each[1]])
    )


def _looked_up(look_up: LookUp | None, orphans: tuple[str, ...]) -> Iterator[tuple[Suspicion, Iterable[str]]]:
    """Yield what is suspected of an unconfirmed order; of what is named twice the later word counts."""
    if look_up is not None:
        yield Suspicion.UNSEEN, look_up.unseen
        yield Suspicion.SUSPECT, look_up.suspects
        yield Suspicion.CANDIDATE, look_up.candidates
    # No order gets what a restored database has lost because of its name. (`orphans.is_left_to_people`)
    yield Suspicion.ORPHAN, orphans


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


async def _holders(session: AsyncSession, account_id: str, order_ids: Iterable[str]) -> dict[str, UUID]:
    held = select(Order.cloudpress_order_id, Order.id).where(
        Order.account_id == account_id, Order.cloudpress_order_id.in_(list(order_ids))
    )
    return {held_id: order_id for held_id, order_id in await session.execute(held) if held_id is not None}
