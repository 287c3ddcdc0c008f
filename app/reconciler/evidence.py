"""What speaks for a CloudPress order being ours: what was sent and when, late answers, callbacks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import Answer, NotFound, OrderDetails, OrderSummary
from app.db.models import RESTORED, Callback, Order, Placement, Task
from app.orders.attempts import nothing_landed
from app.reconciler.passes import Pass
from app.states import MISSING_ATTENTION_SECONDS, PostOutcome, may_have_landed

ANSWER, CALLBACK, LOOK_UP, OPERATOR = "answer", "callback", "lookup", "operator"
CLOCK_TOLERANCE = timedelta(minutes=5)
MAX_HINTS = 20
# A 404 is not final: what a callback names may be shown later. After a day it is given up.
HINT_LIFETIME = timedelta(seconds=MISSING_ATTENTION_SECONDS)


@dataclass(frozen=True)
class Hint:
    """A task that a callback named and that CloudPress has not shown yet."""

    task_id: int
    since: datetime


@dataclass(frozen=True)
class Named:
    """The CloudPress orders that callbacks speak for."""

    order_ids: tuple[str, ...] = ()
    settled: tuple[int, ...] = ()
    """Tasks of which all is known that will be, and that need not be asked about again."""
    is_complete: bool = True
    """Whether that is so for all that callbacks named."""


@dataclass(frozen=True)
class Sent:
    """What is known of the attempts to place an order."""

    placements: tuple[Placement, ...]
    hints: tuple[Hint, ...]
    """The newest first."""
    called_back: bool
    """Whether a callback was ever let in."""
    called_back_since: bool
    """Whether one was that no operator has overruled by having the order placed again."""
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
        """How the last attempt ended, if that was recorded after the order was taken for cut off.

        A callback says more: of an attempt that came to nothing there is none.
        """
        last = self.placements[-1] if self.placements else None
        if last is None or last.outcome is None or self.called_back_since:
            return None
        outcome = PostOutcome(last.outcome)
        settled = not may_have_landed(outcome) or (
            outcome is PostOutcome.REJECTED and nothing_landed(self.placements[:-1])
        )
        return outcome if settled else None


async def what_was_sent(this: Pass) -> Sent:
    """Read what is known of the attempts to place an order."""
    order, db = this.order, this.dependencies.db
    async with db.read() as session:
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
        since = {
            callback.task_id: callback.first_received_at
            for callback in callbacks
            if callback.checked_at is None and callback.task_id is not None
        }
        hints = [Hint(task_id, moment) for task_id, moment in since.items() if task_id not in known]
        is_restored = any(placement.callback_key_id == RESTORED for placement in placements)
        return Sent(
            placements=placements,
            hints=tuple(hints[:MAX_HINTS]),
            called_back=bool(callbacks),
            called_back_since=any(callback.overruled_at is None for callback in callbacks),
            # What happened to a restored order since it was accepted is not known.
            first_sent_at=placements[0].sent_at if placements and not is_restored else order.created_at,
            last_sent_at=placements[-1].sent_at if placements else order.created_at,
            now=await db.now(session),
        )


async def has_reappeared(session: AsyncSession, order: Order, placements: Iterable[Placement]) -> bool:
    """Tell whether something speaks for an order, which is to be sent, being at CloudPress already.

    What an operator has overruled, by having it placed again all the same, no longer counts.
    """
    answered = [it.cloudpress_order_id for it in placements if it.cloudpress_order_id is not None]
    if set(answered) - await held_among(session, order, answered):
        return True
    called_back = select(func.count(Callback.id)).where(
        Callback.order_id == order.id, Callback.overruled_at.is_(None)
    )
    return (await session.execute(called_back)).scalar_one() > 0


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


async def named_by_callbacks(this: Pass, sent: Sent) -> Named:
    """Return the CloudPress orders that tasks named by the order's own callbacks belong to, and that agree.

    Whoever knows a callback's secret chooses its body, so the account, the variant, the name and the age
    have to agree.

    Raises:
        CloudPressError: CloudPress could not be asked.
    """
    named: list[str] = []
    settled: list[int] = []
    for hint in sent.hints:
        found = await _orders_of_task(this, sent, hint.task_id)
        named += found or ()
        if found is not None or sent.now - hint.since >= HINT_LIFETIME:
            settled.append(hint.task_id)
    return Named(tuple(dict.fromkeys(named)), tuple(settled), len(settled) == len(sent.hints))


async def _orders_of_task(this: Pass, sent: Sent, task_id: int) -> list[str] | None:
    """Return the orders of a task that agree; None where CloudPress answered 404, which is not final."""
    try:
        task = await this.read_task(task_id)
    except NotFound:
        return None
    if task.value.account_ids and this.order.account_id not in task.value.account_ids:
        return []
    agreeing = []
    for order_id in task.value.order_ids:
        details = await this.find_order(order_id)
        if details is None:
            return None
        if await _agrees(this, sent, details):
            agreeing.append(order_id)
    return agreeing


async def name_of_site(this: Pass, details: OrderDetails) -> str | None:
    """Return the name of a CloudPress order's site, asked for where the order links one and tells no name.

    Raises:
        CloudPressError: CloudPress could not be asked.
    """
    if details.site is None or details.site.name is not None:
        return details.site.name if details.site else None
    try:
        return (await this.read_site(details.site.id)).value.name
    except (NotFound, ValueError):
        return None


async def _agrees(this: Pass, sent: Sent, details: Answer[OrderDetails]) -> bool:
    order = this.order
    if not is_same_kind(order, details.value) or not is_young_enough(sent, details.value, details.date):
        return False
    # A name that nobody tells does not speak against it: the callback came in at the order's own address.
    return await name_of_site(this, details.value) in {None, order.site_name}


async def held_among(session: AsyncSession, order: Order, order_ids: Iterable[str]) -> set[str]:
    """Return those CloudPress orders that other orders of the account hold."""
    held = select(Order.cloudpress_order_id).where(
        Order.account_id == order.account_id,
        Order.cloudpress_order_id.in_(list(order_ids)),
        Order.id != order.id,
    )
    return {order_id for order_id in await session.scalars(held) if order_id is not None}
