"""What speaks for a CloudPress order being ours: what was sent and when, how old it is told to be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import Answer, OrderDetails
from app.db.lasting import Met
from app.db.models import DISMISSED, RESTORED, Event, Order, Placement
from app.db.several import among
from app.db.unindexed import unindexed
from app.events.types import EventType
from app.orders import names_seen
from app.orders.attempts import nothing_landed
from app.orders.names import UNKNOWN_TIDYING, Tidying
from app.reconciler.passes import Pass
from app.reconciler.window import CLOCK_TOLERANCE, Now, spelt_among
from app.states import FINAL, OrderStatus, PostOutcome, may_have_landed

ANSWER, CALLBACK, LOOK_UP, OPERATOR = (
    names_seen.ANSWER,
    "callback",
    names_seen.LOOK_UP,
    names_seen.OPERATOR,
)
MAX_HINTS = 20
SENT_SOON = timedelta(minutes=15)
"""An order that nothing holds back is sent within seconds; the rest is what two clocks may differ by."""
_HELD = select(Order.cloudpress_order_id).where(
    Order.account_id == bindparam("account_id"),
    among(Order.cloudpress_order_id, "asked"),
    Order.id != bindparam("order_id"),
    Order.cloudpress_order_id_source.is_distinct_from(bindparam("but_by")),
)
_DISMISSED = select(Order.settled_duplicates).where(
    Order.account_id == bindparam("account_id"),
    Order.id != bindparam("order_id"),
    text(DISMISSED),
    # Else that of what is held would be read, which is most.
    unindexed(Order.cloudpress_order_id).is_not(None),
)
_SPOKEN_OF = (
    select(Event.data)
    .join(Order, Order.id == Event.order_id)
    .where(
        Order.account_id == bindparam("account_id"),
        Order.status == OrderStatus.UNCONFIRMED,
        Order.id != bindparam("order_id"),
        Event.type == EventType.RESOLUTION_REQUESTED.value,
    )
)


@dataclass(frozen=True)
class Hint:
    """A task that a callback named and that CloudPress has not shown yet."""

    task_id: int
    unread_since: Met | None
    """For how long it is met with that the task, or what it leads to, is not shown or cannot be read."""
    untold_since: Met | None
    """The same of its being not shown, or of its leading to no order that tells its name."""


@dataclass(frozen=True)
class Sent:
    """What is known of the attempts to place an order."""

    placements: tuple[Placement, ...]
    hints: tuple[Hint, ...]
    """The newest first."""
    called_back: bool
    """Whether a callback was ever let in."""
    called_back_since: bool
    """Whether one was that no operator has overruled."""
    names_no_task: bool
    """Whether such a one names no task, so that nothing can be asked about it."""
    speaking: frozenset[int]
    """The tasks that such ones name."""
    now: Now
    known: tuple[str, ...] = ()
    """The CloudPress orders that are known of the order: what it holds, what is suspected or settled."""

    @property
    def landed(self) -> tuple[Placement, ...]:
        """The attempts that may have made an order."""
        return tuple(it for it in self.placements if may_have_landed(it.outcome))

    @property
    def attempt(self) -> int:
        """The number of the last of those, 0 if there was none."""
        return self.landed[-1].attempt if self.landed else 0

    def elapsed_seconds(self, known_since: dict[str, float]) -> float:
        """Return how long ago the last of them surely was, by the uptime of this machine.

        `known_since` says since when each machine has known of it, and is told of this one if that is new. No
        step of a clock shortens what is counted so, nor does it make anybody wait longer.
        """
        boot, uptime = self.now.boot, self.now.uptime
        last = self.landed[-1] if self.landed else None
        if last is not None and last.sent_boot == boot and last.sent_uptime is not None:
            return uptime - last.sent_uptime
        return uptime - known_since.setdefault(boot, uptime)

    @property
    def answered_ids(self) -> tuple[str, ...]:
        """The CloudPress orders that answers to the attempts named, in the letters that are known of them."""
        named = (placement.cloudpress_order_id for placement in self.placements)
        told = (spelt_among(self.known, order_id) for order_id in named if order_id is not None)
        return tuple(dict.fromkeys(told))

    @property
    def late_outcome(self) -> PostOutcome | None:
        """How the last attempt ended, if that was recorded after the order was taken for cut off.

        A callback says more, also one that an operator has overruled: of an attempt that came to nothing
        there is none, so the list is read. Where an earlier attempt may have made an order, that is looked
        for all the same.
        """
        last = self.placements[-1] if self.placements else None
        if last is None or last.outcome is None or self.called_back:
            return None
        outcome = PostOutcome(last.outcome)
        came_to_nothing = not may_have_landed(outcome) or outcome is PostOutcome.REJECTED
        return outcome if came_to_nothing and nothing_landed(self.placements[:-1]) else None


def what_was_sent(this: Pass) -> Sent:
    """Return what is known of the attempts to place an order."""
    known = this.known
    open_hints: dict[int, Hint] = {}
    # Of two callbacks that name one task the newest counts, and before it one that nobody has overruled.
    for callback in sorted(known.callbacks, key=lambda it: it.overruled_at is not None):
        # Nobody waits for a token to ask about what an operator knows of.
        is_left = this.is_without_token and callback.overruled_at is not None
        if callback.checked_at is None and callback.task_id is not None and not is_left:
            hint = Hint(callback.task_id, callback.unread_since, callback.untold_since)
            open_hints.setdefault(callback.task_id, hint)
    hints = [hint for task_id, hint in open_hints.items() if task_id not in known.task_ids]
    if hints or this.order.suspected_duplicates or this.order.status in FINAL:
        # Of those that an answer named it is not known yet whether they name the same. Where nothing speaks
        # against that, they are read with the order itself, for as long as it has not ended.
        hints = [hint for task_id, hint in open_hints.items() if task_id not in known.own_task_ids]
    # Another one comes first with each look: what always fails would keep the rest from being asked.
    first = (this.order.failures or this.order.quiet) % max(len(hints), 1)
    return Sent(
        placements=known.placements,
        hints=tuple((hints[first:] + hints[:first])[:MAX_HINTS]),
        called_back=bool(known.callbacks),
        called_back_since=bool(known.speaking),
        names_no_task=any(callback.task_id is None for callback in known.speaking),
        speaking=frozenset(it.task_id for it in known.speaking if it.task_id is not None),
        now=this.now(),
        known=known_of(this.order),
    )


def known_of(order: Order) -> tuple[str, ...]:
    """Return the CloudPress orders that are known of an order: what it holds comes first."""
    held = (order.cloudpress_order_id,) if order.cloudpress_order_id is not None else ()
    return (*held, *(order.suspected_duplicates or ()), *(order.settled_duplicates or ()))


async def seen_tidying(this: Pass, session: AsyncSession | None = None) -> Tidying:
    """Return what CloudPress was seen to do to the names of orders of the account that it named itself.

    It is found out once in a pass, in a transaction that goes on or in one of its own.
    """
    if this.findings.tidying is UNKNOWN_TIDYING and session is not None:
        this.findings.tidying = await names_seen.seen_tidying(session, this.order.account_id)
    elif this.findings.tidying is UNKNOWN_TIDYING:
        async with this.dependencies.db.read() as its_own:
            return await seen_tidying(this, its_own)
    return this.findings.tidying


def is_young_enough(
    order: Order, sent: Sent, details: Answer[OrderDetails], *, at_earliest: bool = False
) -> bool:
    """Tell whether a CloudPress order is not older than the first attempt, each age by its own clock.

    Where no uptime tells how long ago that was, either clock may have stepped since. The shorter time counts:
    a step makes nobody's older order young, though it may have a person asked about our own.

    With `at_earliest` its clock is told as it has gone on since ours was sent, where an answer is ahead of
    that: no such answer makes ours old.
    """
    if details.value.created_at is None:
        return True
    date = details.date or sent.now.wall
    first = next(iter(sent.landed), None)
    if at_earliest and first is not None and first.cloudpress_sent_at is not None:
        date = min(date, first.cloudpress_sent_at + sent.now.since(first))
    if first is None or first.callback_key_id == RESTORED:
        since = min(sent.now.wall, date) - order.created_at
    else:
        since = min(sent.now.spans_since(first, date))
    return date - details.value.created_at <= since + CLOCK_TOLERANCE


def is_told_around(
    order: Order, sent: Sent, details: Answer[OrderDetails], *, is_understood: bool, sending_seconds: float
) -> bool:
    """Tell whether a CloudPress order is told as made since the first attempt, or a little before.

    Where it is not proven that ages are told as we understand them, it has to be told as made while an
    attempt went on, which takes up to `sending_seconds`: where times are told without a zone that is ahead,
    an older order is told as younger than any attempt. What landed later is asked about as well.
    """
    if details.value.created_at is None or not is_young_enough(order, sent, details):
        return False
    last = sent.landed[-1] if sent.landed else None
    if is_understood or last is None or last.callback_key_id == RESTORED:
        return True
    date = details.date or sent.now.wall
    sending = timedelta(seconds=sending_seconds)
    since = max(sent.now.spans_since(last, date))
    return date - details.value.created_at >= since - sending - CLOCK_TOLERANCE


def is_told_soon_after_acceptance(order: Order, sent: Sent, details: Answer[OrderDetails]) -> bool:
    """Tell whether a CloudPress order is told as made soon after an order was accepted here.

    What waits for longer had a reason to, and may have been cancelled before it was sent.
    """
    if details.value.created_at is None:
        return False
    date = details.date or sent.now.wall
    since = max(sent.now.wall, date) - order.created_at
    return date - details.value.created_at >= since - SENT_SOON


async def held_among(
    session: AsyncSession, order: Order, order_ids: Iterable[str], *, but_by: str = ""
) -> set[str]:
    """Return those CloudPress orders that other orders of the account hold.

    Those are left out of which it was learned `but_by`, if that is given.
    """
    asked = list(order_ids)
    if not asked:
        return set()
    ours = {"account_id": order.account_id, "asked": asked, "order_id": order.id, "but_by": but_by}
    return {order_id for order_id in await session.scalars(_HELD, ours) if order_id is not None}


async def dismissed_by_others(session: AsyncSession, order: Order) -> set[str]:
    """Return what operators found to be no double of other orders of the account, or a wanted one.

    Whose it is then they have not said, so no order takes it by its name.
    """
    others = {"account_id": order.account_id, "order_id": order.id}
    return {order_id for ids in await session.scalars(_DISMISSED, others) for order_id in ids or ()}


async def promised_to_others(session: AsyncSession, order: Order) -> set[str]:
    """Return what operators said that other orders of the account are and are not yet, in small letters.

    Such a word waits while CloudPress does not show what it names, in an operator's letters, and then ends.
    Whose it is he has said all the same.
    """
    others = {"account_id": order.account_id, "order_id": order.id}
    words = await session.scalars(_SPOKEN_OF, others)
    return {word["cloudpress_order_id"].lower() for word in words if word.get("cloudpress_order_id")}
