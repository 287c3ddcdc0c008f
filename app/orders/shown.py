"""What an operator was shown of an order before he decided: his word holds for that. The database only.

Between his look and his word a look-up may have found the very order that he would never have dismissed.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Callback, Order
from app.db.transactions import Transaction
from app.events.reading import what_happened
from app.events.types import EventType
from app.orders.suspects import find_suspects
from app.orders.waking import has_unseen_news
from app.states import (
    FINAL,
    OF_TROUBLE,
    AttentionCode,
    ErrorCode,
    OrderStatus,
    listed,
    tells_of,
    tells_of_callbacks,
)


@dataclass(frozen=True)
class Shown:
    """What an operator says that he was shown; None where he does not say.

    `suspects` are the CloudPress orders, `callbacks` how many callbacks were let in by then. Of one who does
    not say it is taken for shown what the attention of the order tells.
    """

    suspects: Sequence[str] | None = None
    callbacks: int | None = None

    def among(self, order: Order, found: Iterable[str]) -> list[str]:
        """Return which of the CloudPress orders that were found he knows of."""
        if self.suspects is not None:
            return sorted({*found} & {*self.suspects})
        told = order.attention_detail or ""
        return sorted(each for each in {*found} if tells_of(told, each))


NOTHING_SAID = Shown()
_ANSWERED_AND_SETTLED = (
    EventType.DUPLICATES_DISMISSED,
    EventType.IDENTIFIED,
    EventType.PLACEMENT_ENDED,
)
_ASKED_AND_CALLED_BACK = (EventType.ATTENTION_STARTED, EventType.CALLBACK_RECEIVED)


class UnseenError(Exception):
    """There is something that the operator was not shown; the text names it.

    `suspects` are the CloudPress orders, `callbacks` says how many were let in that he does not know of.
    """

    def __init__(self, suspects: Sequence[str], callbacks: int) -> None:
        super().__init__(suspects, callbacks)
        self.suspects = list(suspects)
        self.callbacks = callbacks

    def __str__(self) -> str:
        """Say what is new, and what to do."""
        shows = [f"CloudPress shows {listed(self.suspects)}, which may be it"] if self.suspects else []
        calls = ["a callback was let in for it, so CloudPress seems to have it"] if self.callbacks else []
        return (
            f"Since you looked at the order, {'; and '.join((*shows, *calls))}. Nothing was changed: look "
            "at the order's suspects anew, and decide then."
        )


async def refuse_unseen(tx: Transaction, order: Order, shown: Shown) -> None:
    """Refuse a word about an order, which is locked, where something is known that was not shown.

    Raises:
        UnseenError: there is.
    """
    suspects: list[str] = []
    if shown.suspects is not None:
        found = (each.cloudpress_order_id for each in await find_suspects(tx.session, order))
        suspects = [each for each in found if each not in shown.suspects]
    callbacks = 0
    if shown.callbacks is not None:
        callbacks = max(await count_callbacks(tx.session, order) - shown.callbacks, 0)
    if suspects or callbacks:
        raise UnseenError(suspects, callbacks)


async def refuse_just_answered(tx: Transaction, order: Order, settled: Collection[str]) -> None:
    """Refuse a word that settles what CloudPress has answered the order with, where no pass may have seen it.

    Once one has, a person is asked anew, or the order is that one.

    Raises:
        UnseenError: there is such an answer.
    """
    if answered := await find_just_answered(tx, order, settled):
        raise UnseenError(sorted(answered), 0)


async def find_just_answered(tx: Transaction, order: Order, settled: Collection[str]) -> set[str]:
    """Return which of those CloudPress has answered the order with, where no pass may have seen that.

    By the order of events: clocks may have stepped. That a person was asked since says nothing, for that was
    done perhaps by a pass that began before the answer came.
    """
    answered: set[str] = set()
    if not settled or not has_unseen_news(order):
        return answered
    for happened, told in await what_happened(tx.session, order.id, _ANSWERED_AND_SETTLED):
        if happened == EventType.PLACEMENT_ENDED:
            answered |= {*settled} & {told.get("cloudpress_order_id")}
        else:  # dismissed since, or taken from the order
            answered -= {*told.get("cloudpress_order_ids", ()), told.get("instead_of")}
    return answered


async def refuse_just_called_back(tx: Transaction, order: Order, shown: Shown) -> None:
    """Refuse to dismiss what is suspected if a callback has come since, and he does not say that he knows.

    A pass has to see whether it speaks for that. What asks a person because of callbacks he may dismiss.

    Raises:
        UnseenError: one has.
    """
    if shown.callbacks is not None or may_be_dismissed(order):
        return
    if not has_unseen_news(order) and not await _has_unread_callbacks(tx.session, order):
        return
    if calls := await _called_back_since_asked(tx.session, order, but=OF_TROUBLE):
        raise UnseenError((), calls)


async def _has_unread_callbacks(session: AsyncSession, order: Order) -> bool:
    """Tell whether a callback speaks for an order of which no pass could find out what it names."""
    unread = select(Callback.id).where(
        Callback.order_id == order.id,
        Callback.checked_at.is_(None),
        Callback.overruled_at.is_(None),
        or_(Callback.unread_since.is_not(None), Callback.untold_since.is_not(None)),
    )
    return (await session.execute(unread.limit(1))).first() is not None


async def _called_back_since_asked(
    session: AsyncSession, order: Order, *, but: Collection[AttentionCode] = ()
) -> int:
    """Return how many different callbacks were let in since a person was asked last, `but` about those.

    By the order of events: clocks may have stepped, and a callback may have waited for the order's lock. A
    pass that asks a person may have begun before the last ones came: as many as there may be of these count.
    """
    calls = called_back = 0
    for happened, told in await what_happened(session, order.id, _ASKED_AND_CALLED_BACK):
        if happened == EventType.CALLBACK_RECEIVED:
            calls, called_back = calls + 1, called_back + 1
        elif told.get("code") not in but:
            calls = 0
    return max(calls, min(called_back, order.wakes - order.seen_wakes))


async def count_known_callbacks(session: AsyncSession, order: Order, shown: Shown) -> int:
    """Return how many callbacks, the oldest, an operator knows of who fails a placed order.

    Of one who does not say, these are all that came before a person was asked: a pass that has seen one since
    may have learned nothing. Of one who says it again, none that came between his words.
    """
    if shown.callbacks is not None:
        return shown.callbacks
    known = max(await count_callbacks(session, order) - await _called_back_since_asked(session, order), 0)
    before: int = (order.resolution or {}).get("callbacks", known)
    return min(known, before)


async def count_callbacks(session: AsyncSession, order: Order) -> int:
    """Return how many different callbacks were let in for an order."""
    counted = select(func.count()).where(Callback.order_id == order.id)
    return (await session.execute(counted)).scalar_one()


def is_failed_by_operator(order: Order) -> bool:
    """Tell whether it was an operator who ended an order, whatever CloudPress makes of it."""
    return order.error_code == ErrorCode.FAILED_BY_OPERATOR


def was_gone(order: Order) -> bool:
    """Tell whether an order was taken for cancelled because CloudPress did not show it for some minutes."""
    is_held = order.cloudpress_order_id is not None
    return order.status == OrderStatus.CANCELLED and is_held and order.missing_since is not None


def awaits_no_callback(order: Order) -> bool:
    """Tell whether an order has ended, and CloudPress did not show that it has."""
    is_unseen = order.cloudpress_order_id is None or is_failed_by_operator(order) or was_gone(order)
    return order.status in FINAL and is_unseen


def is_called_back_after_its_end(order: Order) -> bool:
    """Tell whether a person is asked about such a callback, which he may dismiss."""
    return awaits_no_callback(order) and order.attention_code == AttentionCode.PLACEMENT_CALLED_BACK


_WAITS = {AttentionCode.ACCOUNT_UNKNOWN, AttentionCode.UNANSWERED}


def waits_after_its_end(order: Order) -> bool:
    """Tell whether what is left of a final order waits for a token, or for CloudPress to answer."""
    return order.status in FINAL and order.attention_code in _WAITS


def may_be_dismissed(order: Order) -> bool:
    """Tell whether a final order asks a person to look for it at CloudPress who may say that he has."""
    return is_called_back_after_its_end(order) or waits_after_its_end(order)


async def overrule_callbacks(tx: Transaction, order: Order, shown: Shown) -> None:
    """Overrule the callbacks that an operator knows of who decides about an order all the same.

    Of one who does not say how many he was shown, these are all where the order tells of callbacks and was
    looked at since the last one; else none, for a callback is what speaks against sending an order again. A
    final order that waits tells of all that came before it does. Where CloudPress does not answer, what they
    name is not asked about any more.
    """
    overruled = update(Callback).where(Callback.order_id == order.id, Callback.overruled_at.is_(None))
    if shown.callbacks is None and waits_after_its_end(order):
        since = await _called_back_since_asked(tx.session, order)
        latest = select(Callback.id).where(Callback.order_id == order.id).order_by(Callback.id.desc())
        overruled = overruled.where(Callback.id.not_in(latest.limit(since)))
    elif shown.callbacks is None and (has_unseen_news(order) or not _tells_of_callbacks(order)):
        return
    is_unanswered = waits_after_its_end(order) and order.attention_code == AttentionCode.UNANSWERED
    checked_at = func.coalesce(Callback.checked_at, tx.now) if is_unanswered else Callback.checked_at
    await tx.session.execute(overruled.values(overruled_at=tx.now, checked_at=checked_at))


def _tells_of_callbacks(order: Order) -> bool:
    is_about_them = order.attention_code == AttentionCode.PLACEMENT_CALLED_BACK
    return is_about_them or tells_of_callbacks(order.attention_detail or "")
