"""What speaks for a CloudPress order being ours: what was sent and when, late answers, callbacks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import Answer, NotFound, OrderDetails, OrderSummary
from app.leases import Claim
from app.models import Callback, Order, Placement, Task
from app.reconciler.surroundings import Provider, Surroundings, time_left_seconds
from app.states import NOTHING_LANDED, PostOutcome

ANSWER, CALLBACK, LOOK_UP, OPERATOR = "answer", "callback", "lookup", "operator"
CLOCK_TOLERANCE = timedelta(minutes=5)
MAX_HINTS = 20


@dataclass(frozen=True)
class Sent:
    """What is known of the attempts to place an order."""

    placements: tuple[Placement, ...]
    hints: tuple[int, ...]
    """Tasks that callbacks named and CloudPress has not been asked about, the newest first."""
    called_back: bool
    first_sent_at: datetime
    last_sent_at: datetime
    now: datetime

    @property
    def answered_ids(self) -> tuple[str, ...]:
        """The CloudPress orders that answers to the attempts named."""
        named = (placement.cloudpress_order_id for placement in self.placements)
        return tuple(order_id for order_id in named if order_id is not None)

    @property
    def late_outcome(self) -> PostOutcome | None:
        """How the last attempt ended, if that was recorded after the order was taken for cut off."""
        last = self.placements[-1] if self.placements else None
        if last is None or last.outcome is None:
            return None
        outcome = PostOutcome(last.outcome)
        settled = outcome in NOTHING_LANDED or (
            outcome is PostOutcome.REJECTED and is_first(self.placements[:-1])
        )
        return outcome if settled else None


def is_first(earlier: Iterable[Placement]) -> bool:
    """Tell whether none of the earlier attempts can have made an order."""
    return all(placement.outcome in NOTHING_LANDED for placement in earlier)


async def what_was_sent(world: Surroundings, order: Order) -> Sent:
    """Read what is known of the attempts to place an order."""
    async with world.db.read() as session:
        placements = tuple(
            await session.scalars(
                select(Placement).where(Placement.order_id == order.id).order_by(Placement.attempt)
            )
        )
        callbacks = tuple(
            await session.scalars(
                select(Callback).where(Callback.order_id == order.id).order_by(Callback.id.desc())
            )
        )
        known = set(await session.scalars(select(Task.id).where(Task.order_id == order.id)))
        unchecked = (callback.task_id for callback in callbacks if callback.checked_at is None)
        hints = [hint for hint in unchecked if hint is not None and hint not in known]
        return Sent(
            placements=placements,
            hints=tuple(dict.fromkeys(hints))[:MAX_HINTS],
            called_back=bool(callbacks),
            first_sent_at=placements[0].sent_at if placements else order.created_at,
            last_sent_at=placements[-1].sent_at if placements else order.created_at,
            now=await world.db.now(session),
        )


def is_young_enough(sent: Sent, summary: OrderSummary, answered_at: datetime | None) -> bool:
    """Tell whether a CloudPress order can have been made by one of the attempts.

    Ages are compared, each by its own clock, so that the clocks need not agree. One that does not say when
    it was made can be.
    """
    if summary.created_at is None:
        return True
    age = (answered_at or sent.now) - summary.created_at
    return age <= sent.now - sent.first_sent_at + CLOCK_TOLERANCE


def is_same_kind(order: Order, summary: OrderSummary) -> bool:
    """Tell whether the account and the variant agree, as far as they are told."""
    if summary.account_id is not None and summary.account_id != order.account_id:
        return False
    return summary.variant is None or summary.variant.lower() == order.variant.lower()


async def named_by_callbacks(
    world: Surroundings, claim: Claim[Order], provider: Provider, sent: Sent
) -> list[str]:
    """Return the CloudPress orders that tasks named by the order's own callbacks belong to, and that agree.

    Whoever knows a callback's secret chooses its body, so the account, the variant, the name and the age
    have to agree.

    Raises:
        CloudPressError: CloudPress could not be asked.
    """
    named: list[str] = []
    for hint in sent.hints:
        try:
            task = await provider.task(hint, timeout_seconds=time_left_seconds(world, claim))
        except NotFound:
            continue
        if task.value.account_ids and claim.row.account_id not in task.value.account_ids:
            continue
        for order_id in task.value.order_ids:
            details = await seen(world, claim, provider, order_id)
            if details is not None and _agrees(claim.row, sent, details):
                named.append(order_id)
    return named


async def seen(
    world: Surroundings, claim: Claim[Order], provider: Provider, order_id: str
) -> Answer[OrderDetails] | None:
    """Read a CloudPress order; None if there is none.

    Raises:
        CloudPressError: CloudPress could not be asked.
    """
    try:
        return await provider.order(order_id, timeout_seconds=time_left_seconds(world, claim))
    except (NotFound, ValueError):
        return None


def _agrees(order: Order, sent: Sent, details: Answer[OrderDetails]) -> bool:
    site = details.value.site
    named_otherwise = site is not None and site.name is not None and site.name != order.site_name
    return (
        not named_otherwise
        and is_same_kind(order, details.value)
        and is_young_enough(sent, details.value, details.date)
    )


async def held_among(session: AsyncSession, order: Order, order_ids: Iterable[str]) -> set[str]:
    """Return those CloudPress orders that other orders of the account hold."""
    held = select(Order.cloudpress_order_id).where(
        Order.account_id == order.account_id,
        Order.cloudpress_order_id.in_(list(order_ids)),
        Order.id != order.id,
    )
    return {order_id for order_id in await session.scalars(held) if order_id is not None}
